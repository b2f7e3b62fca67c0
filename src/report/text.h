#pragma once

#include <string>
#include <vector>

#include "engine/report.h"
#include "report/merge.h"

namespace torchvet {

struct TextOptions {
  bool color = false;
  int width = 0;        ///< columns to wrap at; 0: never
  int height = 0;       ///< lines of the terminal; 0: there is none
  bool blocks = false;  ///< the terminal can show the block characters of Unicode
  Severity show = Severity::kNote;
  bool quiet = false;          ///< one line a finding, nothing else but gaps
  bool verbose = false;        ///< nothing merged; fingerprints, artifacts and rules listed
  bool statistics = false;     ///< a count for each rule
  bool show_accepted = false;  ///< findings that are suppressed or in the baseline, too
};

/// The report for people. Everything that came out of an artifact is escaped; each line that begins
/// in the first column is written by this program.
[[nodiscard]] std::string text_report(const Report& report, const TextOptions& options);

/// One line a finding: `path: CODE severity: message`.
[[nodiscard]] std::string concise_report(const Report& report, const TextOptions& options);

/// The findings that a report for people shows, as the options say, those on repeated layers
/// merged.
[[nodiscard]] std::vector<MergedFinding> displayed(const Report& report,
                                                   const TextOptions& options);

/// What differs between two files, and whether the state of one can be loaded into the other.
[[nodiscard]] std::string diff_table(const ReportedDiff& diff, const TextOptions& options);

/// The table of a series: for each checkpoint how many tensors moved since the one before, and how
/// the most remarkable ones moved over the run.
[[nodiscard]] std::string series_table(const ReportedSeries& series, const TextOptions& options);

}  // namespace torchvet
