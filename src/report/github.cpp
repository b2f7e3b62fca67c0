#include "report/github.h"

#include <fmt/format.h>

#include <vector>

#include "report/artifact_ids.h"
#include "report/merge.h"
#include "report/words.h"

namespace torchvet {
namespace {

/// Of each level in one step; the runner passes over what comes after.
constexpr std::size_t kMostOfALevel = 10;
constexpr std::size_t kMostEvidence = 5;

struct Annotation {
  std::string file, title, text;
};

/// The part of a command after `::`, in which a line break would end it. (Called `data`, it would
/// lose against std::data, which takes a std::string without a conversion.)
std::string command_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else {
      out += c;
    }
  }
  return out;
}

/// A value in front of it, which a colon or a comma would end.
std::string command_property(std::string_view text) {
  std::string out;
  for (const char c : command_text(text)) {
    if (c == ':') {
      out += "%3A";
    } else if (c == ',') {
      out += "%2C";
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_of(const MergedFinding& merged) {
  const Finding& f = merged.first->finding;
  std::string out = printed(merged.message);
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("\n{} {}", label, text);
  };
  add("at", place_of(f, merged.object_path));
  if (merged.count > 1) add("in all", fmt::format("{} places", merged.count));
  for (std::size_t i = 0; i < f.evidence.size() && i < kMostEvidence; ++i) {
    add("because", printed(f.evidence[i].text));
  }
  add("why", printed(f.why));
  add("do", printed(f.help));
  return out;
}

void write_level(std::string_view level, const std::vector<Annotation>& all, std::string& out) {
  const std::size_t shown = all.size() > kMostOfALevel ? kMostOfALevel - 1 : all.size();
  for (std::size_t i = 0; i < shown; ++i) {
    out += fmt::format("::{} file={},line=1,title={}::{}\n", level, command_property(all[i].file),
                       command_property(all[i].title), command_text(all[i].text));
  }
  if (shown == all.size()) return;
  out += fmt::format("::{} title=torchvet::{} more of this level, which GitHub would not show\n",
                     level, all.size() - shown);
}

}  // namespace

std::string github_report(const Report& report, const TextOptions& options) {
  std::vector<Annotation> errors, warnings, notices;
  TextOptions fresh = options;
  fresh.show_accepted = false;
  const ArtifactIds ids(report);
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (artifact.read_error.empty()) continue;
    errors.push_back({printed(artifact.id), "could not be read", printed(artifact.read_error)});
  }
  for (const MergedFinding& merged : displayed(report, fresh)) {
    const Finding& f = merged.first->finding;
    std::vector<Annotation>& level = f.severity == Severity::kError     ? errors
                                     : f.severity == Severity::kWarning ? warnings
                                                                        : notices;
    level.push_back(
        {printed(ids.of(f)), fmt::format("{} {}", f.rule->code, f.rule->name), text_of(merged)});
  }
  for (const ReportedArtifact& artifact : report.artifacts) {
    for (const Gap& gap : artifact.gaps) {
      warnings.push_back({printed(artifact.id), "not analysed",
                          fmt::format("{}: {}", printed(gap.what), printed(gap.why))});
    }
  }
  std::string out;
  write_level("error", errors, out);
  write_level("warning", warnings, out);
  write_level("notice", notices, out);
  return out + fmt::format("{}: {}\n", summary_text(report), verdict_of(report.outcome));
}

}  // namespace torchvet
