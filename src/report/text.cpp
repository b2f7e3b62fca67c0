#include "report/text.h"

#include <fmt/format.h>

#include <map>

#include "core/escape.h"
#include "report/merge.h"
#include "terminal/terminal.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

constexpr std::size_t kLongestMessage = 2000;
constexpr std::size_t kLabelColumns = 11;  // "  because  "

std::string_view paint_of(const Palette& paint, Severity severity) {
  switch (severity) {
    case Severity::kError:
      return paint.error;
    case Severity::kWarning:
      return paint.warning;
    case Severity::kNote:
      return paint.note;
  }
  return paint.note;
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string escaped(std::string_view raw) { return escape_text(raw, kLongestMessage); }

/// Where the finding is, from the author's source down to the bytes.
std::string place_of(const Finding& finding, const std::string& object_path) {
  std::string out;
  const auto add = [&](const std::string& part) {
    if (!out.empty()) out += ", ";
    out += part;
  };
  const Location& where = finding.where;
  if (where.source) {
    if (!where.source->function.empty()) add(escaped(where.source->function));
    add(fmt::format("{}:{}", escaped(where.source->file), where.source->line));
    if (!where.source->text.empty()) out += fmt::format(" `{}`", escaped(where.source->text));
    if (!object_path.empty()) add(fmt::format("module path `{}`", escaped(object_path)));
  } else if (!object_path.empty()) {
    add(fmt::format("`{}`", escaped(object_path)));
  }
  if (!where.member.empty()) add(escaped(where.member));
  if (where.bytes) {
    add(where.bytes->length == 0 ? fmt::format("byte {}", where.bytes->offset)
                                 : fmt::format("bytes {} to {}", where.bytes->offset,
                                               where.bytes->offset + where.bytes->length));
  }
  return out;
}

class Writer {
 public:
  Writer(const Report& report, const TextOptions& options)
      : report_(report), options_(options), paint_(palette(options.color)) {}

  std::string write() {
    if (report_.series && !report_.series->intervals.empty() && !options_.quiet) {
      out_ += series_table(*report_.series, options_) + "\n";
    }
    write_findings();
    write_gaps();
    if (!options_.quiet) write_unseen();
    if (options_.statistics) write_statistics();
    if (options_.verbose) write_run();
    if (!options_.quiet) write_summary();
    return std::move(out_);
  }

  std::string write_concise() {
    for (const MergedFinding& merged : shown()) write_head(merged, false);
    write_gaps();
    return std::move(out_);
  }

 private:
  std::vector<MergedFinding> shown() const {
    std::vector<const ReportedFinding*> findings;
    for (const ReportedFinding& f : report_.findings) {
      const bool counts = f.status == FindingStatus::kNew || options_.show_accepted;
      if (counts && f.finding.severity >= options_.show) findings.push_back(&f);
    }
    if (!options_.verbose) return merge_repeated(findings);
    std::vector<MergedFinding> all;
    for (const ReportedFinding* f : findings) {
      all.push_back({f, 1, f->finding.where.object_path, f->finding.message});
    }
    return all;
  }

  void write_head(const MergedFinding& merged, bool with_name) {
    const Finding& f = merged.first->finding;
    const FindingStatus status = merged.first->status;
    out_ += fmt::format("{}{}{}: {}{} {}{}{}: {}", paint_.strong, escaped(f.where.artifact),
                        paint_.reset, paint_of(paint_, f.severity), f.rule->code,
                        name_of(f.severity), paint_.reset,
                        status == FindingStatus::kNew ? "" : fmt::format(" ({})", name_of(status)),
                        escaped(merged.message));
    if (with_name) {
      out_ += fmt::format("     {}[{}]{}", paint_.faint, f.rule->name, paint_.reset);
    }
    out_ += '\n';
  }

  /// "  label  text", wrapped below itself on a terminal. The shortest labels keep two spaces, so
  /// that a word starts in the same column whatever the label.
  void write_detail(std::string_view label, std::string_view text) {
    const std::string head = label == "because" ? "because  " : fmt::format("{:<4} ", label);
    const std::size_t indent = 2 + head.size();
    const int room = options_.width > 0 ? options_.width - static_cast<int>(indent) : 0;
    bool first = true;
    for (const std::string& part : wrap(text, room)) {
      out_ += first ? fmt::format("  {}{}{}", paint_.faint, head, paint_.reset)
                    : std::string(indent, ' ');
      out_ += part;
      out_ += '\n';
      first = false;
    }
  }

  void write_finding(const MergedFinding& merged) {
    const Finding& f = merged.first->finding;
    write_head(merged, true);
    std::string place = place_of(f, merged.object_path);
    if (merged.count > 1) place += fmt::format(" ({} times; the first is shown)", merged.count);
    if (!place.empty()) write_detail("at", place);
    for (const Evidence& evidence : f.evidence) write_detail("because", escaped(evidence.text));
    write_detail("why", escaped(f.why));
    write_detail("do", fmt::format("{}; more: {}torchvet explain {}{}", escaped(f.help),
                                   paint_.code, f.rule->code, paint_.reset));
    if (const std::string& reason = merged.first->accepted_because; !reason.empty()) {
      write_detail("ok", "suppressed: " + escaped(reason));
    }
    if (f.confidence != Confidence::kHigh) {
      write_detail("sure", fmt::format("{} confidence", name_of(f.confidence)));
    }
    if (options_.verbose) write_detail("id", merged.first->fingerprint);
    out_ += '\n';
  }

  void write_findings() {
    for (const MergedFinding& merged : shown()) {
      if (options_.quiet) {
        write_head(merged, false);
      } else {
        write_finding(merged);
      }
    }
  }

  void write_gaps() {
    bool any = false;
    for (const ReportedArtifact& artifact : report_.artifacts) {
      if (!artifact.read_error.empty()) {
        any = true;
        out_ += fmt::format("{}: {}could not be read{}: {}\n", escaped(artifact.path), paint_.error,
                            paint_.reset, escaped(artifact.read_error));
      }
      for (const Gap& gap : artifact.gaps) {
        any = true;
        out_ += fmt::format("{}: {}not analysed{}: {}: {}\n", escaped(artifact.path),
                            paint_.warning, paint_.reset, escaped(gap.what), escaped(gap.why));
      }
    }
    if (any && !options_.quiet) out_ += '\n';
  }

  /// What no finding means nothing about, once for all artifacts that hide the same.
  void write_unseen() {
    std::map<std::string, std::uint64_t> lines;
    for (const ReportedArtifact& artifact : report_.artifacts) {
      if (artifact.unseen.empty()) continue;
      std::string line;
      for (const ReportedUnseen& unseen : artifact.unseen) {
        line += fmt::format("{}{} ({})", line.empty() ? "" : "; ", unseen.what, unseen.code);
      }
      ++lines[fmt::format("{} does not show {}", artifact.form, line)];
    }
    for (const auto& [line, count] : lines) {
      out_ += fmt::format("{}unseen{} in {}: {}\n", paint_.faint, paint_.reset,
                          plural(count, "artifact"), line);
    }
    if (!lines.empty()) out_ += '\n';
  }

  void write_statistics() {
    std::map<std::string_view, std::pair<const Rule*, std::uint64_t>> counts;
    for (const ReportedFinding& f : report_.findings) {
      if (f.status != FindingStatus::kNew) continue;
      auto& [rule, count] = counts[f.finding.rule->code];
      rule = f.finding.rule;
      ++count;
    }
    for (const auto& [code, entry] : counts) {
      out_ += fmt::format("{:>7}  {}  {}\n", entry.second, code, entry.first->name);
    }
    if (!counts.empty()) out_ += '\n';
  }

  void write_run() {
    for (const ReportedArtifact& a : report_.artifacts) {
      out_ += fmt::format("{}: {}, {}, {}", escaped(a.path), a.format, a.kind, size_text(a.size));
      if (a.parameters) out_ += fmt::format(", {}", plural(*a.parameters, "parameter"));
      out_ += '\n';
    }
    std::string codes;
    for (const Rule* rule : report_.rules) codes += fmt::format(" {}", rule->code);
    out_ += fmt::format("rules:{}\n", codes);
    if (!report_.libtorch.empty()) {
      out_ += fmt::format("graphs read with LibTorch {}\n", escaped(report_.libtorch));
    }
    out_ += '\n';
  }

  void write_summary() {
    std::string counts;
    const auto add = [&](std::uint64_t count, std::string_view noun) {
      if (count == 0) return;
      if (!counts.empty()) counts += ", ";
      counts += plural(count, noun);
    };
    add(report_.counts.error, "error");
    add(report_.counts.warning, "warning");
    add(report_.counts.note, "note");
    if (counts.empty()) counts = "no findings";
    if (report_.counts.suppressed > 0) {
      counts += fmt::format(", {} suppressed", report_.counts.suppressed);
    }
    if (report_.counts.baselined > 0)
      counts += fmt::format(", {} baselined", report_.counts.baselined);
    std::string cost = size_text(report_.bytes);
    if (!report_.reproducible) {
      cost += fmt::format(", {:.1f} s", static_cast<double>(report_.duration_ms) / 1000.0);
    }
    std::uint64_t gaps = 0;
    for (const ReportedArtifact& a : report_.artifacts) gaps += a.gaps.size();
    out_ +=
        fmt::format("{} in {} ({})", counts, plural(report_.artifacts.size(), "artifact"), cost);
    if (gaps > 0) out_ += fmt::format(", {} not analysed", plural(gaps, "part"));
    if (report_.hidden_by_confidence > 0) {
      out_ += fmt::format(", {} below the asked confidence", report_.hidden_by_confidence);
    }
    for (std::size_t i = 0; i < report_.config_files.size(); ++i) {
      out_ += fmt::format("{} {}", i == 0 ? ", with" : " and", escaped(report_.config_files[i]));
    }
    out_ += ": " + verdict() + "\n";
  }

  std::string verdict() const {
    switch (report_.outcome) {
      case Outcome::kPass:
        return fmt::format("{}passed{}", paint_.good, paint_.reset);
      case Outcome::kFail:
        return fmt::format("{}FAILED{}", paint_.error, paint_.reset);
      case Outcome::kIncomplete:
        return fmt::format("{}INCOMPLETE{}", paint_.warning, paint_.reset);
      case Outcome::kError:
        return fmt::format("{}ERROR{}", paint_.error, paint_.reset);
    }
    return "ERROR";
  }

  const Report& report_;
  const TextOptions& options_;
  const Palette& paint_;
  std::string out_;
};

}  // namespace

std::string size_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string text_report(const Report& report, const TextOptions& options) {
  return Writer(report, options).write();
}

std::string concise_report(const Report& report, const TextOptions& options) {
  return Writer(report, options).write_concise();
}

}  // namespace torchvet
