#include "report/words.h"

#include <fmt/format.h>

#include <iterator>

namespace torchvet {

std::string printed(std::string_view raw, std::size_t limit) {
  return escape_text(to_utf8(raw), limit);
}

std::string place_of(const Finding& finding, std::string_view object_path) {
  std::string out;
  const auto add = [&](const std::string& part) {
    if (!out.empty()) out += ", ";
    out += part;
  };
  const Location& where = finding.where;
  if (where.source) {
    if (!where.source->function.empty()) add(printed(where.source->function));
    add(fmt::format("{}:{}", printed(where.source->file), where.source->line));
    if (!where.source->text.empty()) out += fmt::format(" `{}`", printed(where.source->text));
    if (!object_path.empty()) add(fmt::format("module path `{}`", printed(object_path)));
  } else if (!object_path.empty()) {
    add(fmt::format("`{}`", printed(object_path)));
  }
  if (!where.member.empty()) add(printed(where.member));
  if (where.bytes) {
    add(where.bytes->length == 0 ? fmt::format("byte {}", where.bytes->offset)
                                 : fmt::format("bytes {} to {}", where.bytes->offset,
                                               where.bytes->offset + where.bytes->length));
  }
  return out;
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string counts_text(const Report& report) {
  std::string out;
  const auto add = [&](std::uint64_t count, std::string_view noun) {
    if (count > 0) out += fmt::format("{}{}", out.empty() ? "" : ", ", plural(count, noun));
  };
  add(report.counts.error, "error");
  add(report.counts.warning, "warning");
  add(report.counts.note, "note");
  if (out.empty()) out = "no findings";
  if (report.counts.suppressed > 0) out += fmt::format(", {} suppressed", report.counts.suppressed);
  if (report.counts.baselined > 0) out += fmt::format(", {} baselined", report.counts.baselined);
  return out;
}

std::string summary_text(const Report& report) {
  std::string cost = size_text(report.bytes);
  if (!report.reproducible) {
    cost += fmt::format(", {:.1f} s", static_cast<double>(report.duration_ms) / 1000.0);
  }
  std::string out = fmt::format("{} in {} ({})", counts_text(report),
                                plural(report.artifacts.size(), "artifact"), cost);
  std::uint64_t gaps = 0;
  for (const ReportedArtifact& artifact : report.artifacts) gaps += artifact.gaps.size();
  if (gaps > 0) out += fmt::format(", {} not analysed", plural(gaps, "part"));
  if (report.hidden_by_confidence > 0) {
    out += fmt::format(", {} below the asked confidence", report.hidden_by_confidence);
  }
  for (std::size_t i = 0; i < report.config_files.size(); ++i) {
    out += fmt::format("{} {}", i == 0 ? ", with" : " and", printed(report.config_files[i]));
  }
  return out;
}

std::string_view verdict_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "passed";
    case Outcome::kFail:
      return "FAILED";
    case Outcome::kIncomplete:
      return "INCOMPLETE";
    case Outcome::kError:
      return "ERROR";
  }
  return "ERROR";
}

}  // namespace torchvet
