#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/merge.h"
#include "report/words.h"
#include "terminal/terminal.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

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

class Writer {
 public:
  Writer(const Report& report, const TextOptions& options)
      : report_(report), options_(options), paint_(palette(options.color)) {}

  std::string write() {
    if (report_.series && !report_.series->intervals.empty() && !options_.quiet) {
      out_ += series_table(*report_.series, options_) + "\n";
    }
    if (report_.diff && !options_.quiet) out_ += diff_table(*report_.diff, options_) + "\n";
    write_findings();
    write_gaps();
    if (!options_.quiet) write_unseen();
    if (options_.statistics) write_statistics();
    if (options_.verbose) write_run();
    if (!options_.quiet) write_summary();
    return std::move(out_);
  }

  std::string write_concise() {
    for (const MergedFinding& merged : displayed(report_, options_)) write_head(merged, false);
    write_gaps();
    return std::move(out_);
  }

 private:
  void write_head(const MergedFinding& merged, bool with_name) {
    const Finding& f = merged.first->finding;
    const FindingStatus status = merged.first->status;
    out_ += fmt::format("{}{}{}: {}{} {}{}{}: {}", paint_.strong, printed(f.where.artifact),
                        paint_.reset, paint_of(paint_, f.severity), f.rule->code,
                        name_of(f.severity), paint_.reset,
                        status == FindingStatus::kNew ? "" : fmt::format(" ({})", name_of(status)),
                        printed(merged.message));
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
    for (const Evidence& evidence : f.evidence) write_detail("because", printed(evidence.text));
    write_detail("why", printed(f.why));
    write_detail("do", fmt::format("{}; more: {}torchvet explain {}{}", printed(f.help),
                                   paint_.code, f.rule->code, paint_.reset));
    if (const std::string& reason = merged.first->accepted_because; !reason.empty()) {
      write_detail("ok", "suppressed: " + printed(reason));
    }
    if (f.confidence != Confidence::kHigh) {
      write_detail("sure", fmt::format("{} confidence", name_of(f.confidence)));
    }
    if (options_.verbose) write_detail("id", merged.first->fingerprint);
    out_ += '\n';
  }

  void write_findings() {
    for (const MergedFinding& merged : displayed(report_, options_)) {
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
        out_ += fmt::format("{}: {}could not be read{}: {}\n", printed(artifact.path), paint_.error,
                            paint_.reset, printed(artifact.read_error));
      }
      for (const Gap& gap : artifact.gaps) {
        any = true;
        out_ += fmt::format("{}: {}not analysed{}: {}: {}\n", printed(artifact.path),
                            paint_.warning, paint_.reset, printed(gap.what), printed(gap.why));
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
        line +=
            fmt::format("{}{} ({})", line.empty() ? "" : "; ", printed(unseen.what), unseen.code);
      }
      ++lines[fmt::format("{} does not show {}", printed(artifact.form), line)];
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
      out_ += fmt::format("{}: {}, {}, {}", printed(a.path), a.format, a.kind, size_text(a.size));
      if (a.parameters) out_ += fmt::format(", {}", plural(*a.parameters, "parameter"));
      out_ += '\n';
    }
    if (report_.passed_over.files > 0) write_passed_over();
    std::string codes;
    for (const Rule* rule : report_.rules) codes += fmt::format(" {}", rule->code);
    out_ += fmt::format("rules:{}\n", codes);
    if (!report_.libtorch.empty()) {
      out_ += fmt::format("graphs read with LibTorch {}\n", printed(report_.libtorch));
    }
    out_ += '\n';
  }

  void write_passed_over() {
    const ReportedPassedOver& passed = report_.passed_over;
    std::string names;
    for (const std::string& path : passed.first) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", printed(path));
    }
    const std::uint64_t more = passed.files - std::min<std::uint64_t>(passed.files, passed.first.size());
    out_ += fmt::format("passed over {} without a model: {}{}\n", plural(passed.files, "file"), names,
                        more > 0 ? fmt::format(" and {} more", more) : "");
  }

  void write_summary() {
    out_ += fmt::format("{}: {}{}{}\n", summary_text(report_), paint_of_outcome(),
                        verdict_of(report_.outcome), paint_.reset);
  }

  [[nodiscard]] std::string_view paint_of_outcome() const {
    if (report_.outcome == Outcome::kPass) return paint_.good;
    return report_.outcome == Outcome::kIncomplete ? paint_.warning : paint_.error;
  }

  const Report& report_;
  const TextOptions& options_;
  const Palette& paint_;
  std::string out_;
};

}  // namespace

std::vector<MergedFinding> displayed(const Report& report, const TextOptions& options) {
  std::vector<const ReportedFinding*> findings;
  for (const ReportedFinding& f : report.findings) {
    const bool counts = f.status == FindingStatus::kNew || options.show_accepted;
    if (counts && f.finding.severity >= options.show) findings.push_back(&f);
  }
  if (!options.verbose) return merge_repeated(findings);
  std::vector<MergedFinding> all;
  for (const ReportedFinding* f : findings) {
    all.push_back(unmerged(*f));
  }
  return all;
}

std::string text_report(const Report& report, const TextOptions& options) {
  return Writer(report, options).write();
}

std::string concise_report(const Report& report, const TextOptions& options) {
  return Writer(report, options).write_concise();
}

}  // namespace torchvet
