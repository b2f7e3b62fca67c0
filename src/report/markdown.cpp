// Text from an artifact stands in Markdown as text: every character that means something to
// CommonMark, to GitHub's or to GitLab's dialect is escaped, so that a tensor cannot be called a
// heading, a link, a table or a tag. What could be linked or mention somebody (a name with `@`, an
// address) is put inside <code>, where neither happens, and its `:` and `@` are entities as well.
//
// Messages put names between backticks. These pairs become <code> too; since all between is escaped
// in the same way, a name that holds a backtick only changes what is in which type.
#include "report/markdown.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "report/diff_rows.h"
#include "report/merge.h"
#include "report/words.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostBytes = 1'000'000;
constexpr std::size_t kRoomForEnd = 1000;  ///< of those, for the line that counts what is left out
constexpr std::size_t kMostEvidence = 10;
constexpr std::size_t kMostChanges = 100;  ///< of two files, when all are asked for
constexpr std::size_t kLongestName = 200;  ///< of those
constexpr std::string_view kEntities = "<>&\"'@:";
constexpr std::string_view kEscaped = "\\`*_{}[]()#+!|~$^=";

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (kEntities.find(c) != kEntities.npos) {
      out += fmt::format("&#{};", static_cast<int>(c));
    } else if (kEscaped.find(c) != kEscaped.npos ||
               (c == '.' && text.substr(0, i).ends_with("www"))) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string code(std::string_view text) { return "<code>" + escaped(text) + "</code>"; }

/// The table of a series as the text report has it, in a block of HTML: in <pre> nothing is
/// Markdown.
std::string table_of(const ReportedSeries& series) {
  if (series.intervals.empty()) return "";
  std::string out = "\n<pre>\n";
  for (const char c : series_table(series, TextOptions())) {
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("&#{};", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "</pre>\n";
}

/// What one of two files has of a tensor. Where it has nothing of that name: what may have taken
/// its place.
std::string side(const ReportedChange& row, std::string_view has) {
  if (!has.empty()) return escaped(printed(has, kLongestName));
  if (row.renamed.empty()) return "";
  return code(printed(row.renamed, kLongestName)) +
         (row.same_numbers ? ", with the same numbers?" : "?");
}

/// What differs between two files.
std::string table_of(const ReportedDiff& diff, bool all) {
  std::string out = fmt::format("\n{} against {}: {}.\n", code(printed(diff.path)),
                                code(printed(diff.against)), escaped(sizes_text(diff)));
  const std::vector<ReportedChange> rows = diff_rows(diff);
  const std::size_t shown = std::min(rows.size(), all ? kMostChanges : kFewDiffRows);
  if (shown > 0) out += "\n| means | change | tensor | before | now |\n|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const ReportedChange& row = rows[i];
    const std::string name = code(printed(row.name, kLongestName));
    const bool names = row.kind == "names";
    out += fmt::format("| {} | {} | {} | {} | {} |\n", name_of(row.compatibility), row.kind,
                       row.count > 1 ? plural(row.count, "tensor") : name,
                       names ? name : side(row, row.before),
                       names ? code(printed(row.renamed, kLongestName)) : side(row, row.after));
  }
  if (shown < rows.size()) out += fmt::format("\nand {} more\n", rows.size() - shown);
  return out + fmt::format("\n{}: {}\n", name_of(diff.compatibility),
                           escaped(answer_of(diff.compatibility)));
}

/// What a line of the text report says.
std::string prose(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t open = text.find('`');
    const std::size_t close = open == text.npos ? text.npos : text.find('`', open + 1);
    if (close == text.npos) return out + escaped(text);
    out += escaped(text.substr(0, open));
    if (close > open + 1) out += code(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
}

std::string block_of(const MergedFinding& merged) {
  const Finding& f = merged.first->finding;
  std::string out = fmt::format("- {}: {} {} ({}){}: {}\n", code(printed(f.where.artifact)),
                                f.rule->code, name_of(f.severity), f.rule->name,
                                merged.first->status == FindingStatus::kNew
                                    ? ""
                                    : fmt::format(", {}", name_of(merged.first->status)),
                                prose(printed(merged.message)));
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  - {}: {}\n", label, text);
  };
  std::string place = prose(place_of(f, merged.object_path));
  if (merged.count > 1) place += fmt::format(" ({} times; the first is shown)", merged.count);
  add("at", place);
  for (std::size_t i = 0; i < f.evidence.size() && i < kMostEvidence; ++i) {
    add("because", prose(printed(f.evidence[i].text)));
  }
  if (f.evidence.size() > kMostEvidence) {
    add("because", fmt::format("of {} more", f.evidence.size() - kMostEvidence));
  }
  add("why", prose(printed(f.why)));
  add("do", prose(printed(f.help)));
  add("accepted", prose(printed(merged.first->accepted_because)));
  if (f.confidence != Confidence::kHigh) {
    add("sure", fmt::format("{} confidence", name_of(f.confidence)));
  }
  return out;
}

/// Blocks of lines while there is room, the first under a heading; then only their number.
class Page {
 public:
  void head(const std::string& text) { out_ += text; }

  void block(std::string_view heading, const std::string& text) {
    const std::string title =
        heading == heading_ ? std::string() : fmt::format("\n### {}\n\n", heading);
    if (left_out_ > 0 || out_.size() + title.size() + text.size() > kMostBytes - kRoomForEnd) {
      ++left_out_;
      return;
    }
    heading_ = heading;
    out_ += title + text;
  }

  std::string end() {
    if (left_out_ > 0) {
      out_ += fmt::format("\n{} more, for which there is no room here.\n", left_out_);
    }
    return std::move(out_);
  }

 private:
  std::string out_;
  std::string_view heading_;
  std::uint64_t left_out_ = 0;
};

std::string_view heading_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "Errors";
    case Severity::kWarning:
      return "Warnings";
    case Severity::kNote:
      return "Notes";
  }
  return "Notes";
}

}  // namespace

std::string markdown_report(const Report& report, const TextOptions& options) {
  Page page;
  page.head(fmt::format("## torchvet: {}\n\n{}\n", verdict_of(report.outcome),
                        escaped(summary_text(report))));
  if (report.series) page.head(table_of(*report.series));
  if (report.diff) page.head(table_of(*report.diff, options.verbose));
  const std::vector<MergedFinding> findings = displayed(report, options);
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (artifact.read_error.empty()) continue;
    page.block("Could not be read", fmt::format("- {}: {}\n", code(printed(artifact.path)),
                                                prose(printed(artifact.read_error))));
  }
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
    for (const MergedFinding& merged : findings) {
      if (merged.first->finding.severity != severity) continue;
      page.block(heading_of(severity), block_of(merged));
    }
  }
  for (const ReportedArtifact& artifact : report.artifacts) {
    for (const Gap& gap : artifact.gaps) {
      page.block("Not analysed", fmt::format("- {}: {}: {}\n", code(printed(artifact.path)),
                                             prose(printed(gap.what)), prose(printed(gap.why))));
    }
  }
  return page.end();
}

}  // namespace torchvet
