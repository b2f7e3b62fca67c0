#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports the one place in an otherwise regular series of checkpoints where one or more are missing: all steps lie
the same distance apart, and once they lie a multiple of it apart.

## Why it matters
A save that failed, or a file that was lost: a job that was killed while it wrote, a full disk, a copy that
stopped. What the rules say of that interval is said of a longer one, and the run cannot be resumed from there.

## Example
```
step_500.pt: DRF009 note: 1 checkpoint is missing before it: step 400
```

## What to do
Look whether the save failed, and whether that can happen to the last checkpoint too. If it was removed on
purpose, nothing is wrong.

## Limits
A note, since a file may be removed on purpose. Silent where saves are not regular: it takes six equal intervals,
two of them on each side of the gap, and no other interval, so that a best checkpoint kept beside the last few,
spacing that changes during the run, and several gaps are no finding. Judged only where numbers order the
checkpoints.

## References
The numbers of intervals are a rule of thumb, not a measurement. False findings: none in 1824 healthy trainings saved
regularly, nor on the usual schemes of keeping checkpoints, which are its fixtures: the best and the last few, wider
spacing later in the run, powers of two, by the clock.
)md";

constexpr std::size_t kFewestRegular = 6;  ///< equal intervals
constexpr std::size_t kFewestAround = 2;   ///< of them on each side of the gap
constexpr double kMostMissing = 100;       ///< more are another scheme, not a gap
constexpr double kMostNamed = 4;

/// The steps of all snapshots; nothing when one is not known, or no number.
std::optional<std::vector<double>> steps_of(const Series& series) {
  std::vector<double> steps;
  for (const Series::Snapshot& snapshot : series.snapshots) {
    if (!snapshot.step || !std::isfinite(*snapshot.step)) return std::nullopt;
    steps.push_back(*snapshot.step);
  }
  return steps;
}

std::vector<Finding> check(const Series& series, const Intent&) {
  const std::optional<std::vector<double>> steps = steps_of(series);
  if (!steps) return {};
  std::map<double, std::vector<std::size_t>> by_length;  // of the intervals, by where they end
  for (std::size_t to = 1; to < steps->size(); ++to) {
    by_length[(*steps)[to] - (*steps)[to - 1]].push_back(to);
  }
  if (by_length.size() != 2) return {};
  const auto& [regular, usual] = *by_length.begin();
  const auto& [long_one, odd] = *by_length.rbegin();
  const double missing = long_one / regular - 1;
  const bool multiple = regular > 0 && missing == std::floor(missing) && missing <= kMostMissing;
  if (!multiple || odd.size() != 1 || usual.size() < kFewestRegular) return {};
  const std::size_t to = odd.front();
  if (to <= kFewestAround || to + kFewestAround >= steps->size()) return {};

  std::vector<double> named;
  for (double i = 1; i <= std::min(missing, kMostNamed); ++i) {
    named.push_back((*steps)[to - 1] + i * regular);
  }
  Finding finding;
  finding.severity = Severity::kNote;
  finding.confidence = Confidence::kMedium;
  finding.where.artifact = series.snapshots[to].path;
  finding.message = fmt::format("{} checkpoint{} missing before it: step {}{}", missing,
                                missing == 1 ? " is" : "s are", fmt::join(named, ", "),
                                missing > kMostNamed ? ", ..." : "");
  finding.evidence.push_back(
      {"series",
       fmt::format("the {} other intervals are {} long, this one, from {}, is {} ({})",
                   usual.size(), regular, series.snapshots[to - 1].path, long_one, series.order)});
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule DRF009 = define_rule({
    .code = "DRF009",
    .name = "step-missing",
    .summary = "a checkpoint is missing in an otherwise regular series",
    .why = "a save failed or a file was lost: the run cannot be resumed from there",
    .help = "look whether the save failed; if the file was removed on purpose, nothing is wrong",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kMedium,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
