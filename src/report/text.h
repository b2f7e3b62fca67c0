#pragma once

#include <string>

#include "engine/report.h"

namespace torchvet {

struct TextOptions {
  bool color = false;
  int width = 0;  ///< columns to wrap at; 0: never
  Severity show = Severity::kNote;
  bool quiet = false;       ///< one line a finding, nothing else but gaps
  bool verbose = false;     ///< nothing merged; fingerprints, artifacts and rules listed
  bool statistics = false;  ///< a count for each rule
};

/// The report for people. Everything that came out of an artifact is escaped; each line that begins
/// in the first column is written by this program.
[[nodiscard]] std::string text_report(const Report& report, const TextOptions& options);

/// One line a finding: `path: CODE severity: message`.
[[nodiscard]] std::string concise_report(const Report& report, const TextOptions& options);

/// "1.2 GB", "12 kB", "7 B".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

/// The table of a series: for each interval how many tensors moved.
[[nodiscard]] std::string series_table(const ReportedSeries& series);

}  // namespace torchvet
