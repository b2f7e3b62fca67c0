#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/report.h"
#include "report/merge.h"

// The sections of the page that `html_report` puts together. Each is whole HTML that can be read
// without its script; what only the script can show is in it as data.

namespace torchvet {

/// As `plural` has it, with the digits in groups: "1,234 errors".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view noun);

/// Beyond so many items of a kind, those out of sight are not laid out before they are scrolled to.
inline constexpr std::size_t kManyItems = 200;

/// ` class="many"` for a section with many items.
[[nodiscard]] std::string_view many_mark(std::size_t items);

/// The word of a severity with its sign, so that colour is not all that tells it.
[[nodiscard]] std::string severity_badge(Severity severity);

/// A table in a box of its own, which scrolls where it is wider than the page. All is HTML.
[[nodiscard]] std::string table(std::string_view label, std::string_view head,
                                std::string_view rows);

/// The findings of a report as the page numbers them: merged, grouped by rule, the worst first.
struct PageFindings {
  struct Group {
    const Rule* rule = nullptr;
    Severity worst = Severity::kNote;
    std::vector<MergedFinding> findings;
  };
  std::vector<Group> open;
  std::vector<MergedFinding> accepted;  ///< suppressed, or in the baseline
  std::uint64_t left_out = 0;           ///< beyond kMost, after merging
  std::uint64_t below_show = 0;         ///< of lower severity than is to be shown

  /// The number N of the element `finding-N` that shows one; those left out have none.
  std::unordered_map<const ReportedFinding*, std::size_t> numbers;

  static constexpr std::size_t kMost = 5000;
};
[[nodiscard]] PageFindings page_findings(const Report& report, Severity show);

[[nodiscard]] std::string findings_section(const Report& report, const PageFindings& findings);

/// The tensors and modules of each artifact, with what was found in them.
[[nodiscard]] std::string models_section(const Report& report, const PageFindings& findings);

/// Empty when the report is not of a series.
[[nodiscard]] std::string series_section(const Report& report);

/// Empty when the report is not of two files that were compared.
[[nodiscard]] std::string diff_section(const Report& report);

/// The files, what was not analysed in them, and how the run was done.
[[nodiscard]] std::string gaps_section(const Report& report);
[[nodiscard]] std::string artifacts_section(const Report& report);
[[nodiscard]] std::string run_section(const Report& report);

}  // namespace torchvet
