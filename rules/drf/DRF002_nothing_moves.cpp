#include <fmt/format.h>

#include <algorithm>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a series of checkpoints in which no parameter of the model moves: every one is bitwise the same
from the first checkpoint to the last, although training went on.

## Why it matters
The run learns nothing. The optimizer was built before the model was replaced or moved, it was given
another model's parameters, `optimizer.step()` is never called, or the same state is saved again and
again.

## Example
```
$ torchvet drift runs/step_*.pt
none of the 26 parameters moved in 5 checkpoints
```

## What to do
Build the optimizer from the parameters of the model that is trained and saved, after `.to(device)` and
after anything that replaces modules; call `optimizer.step()`; save the model that was trained.

## Limits
An error when the steps or epochs in the files or in their names rise, or batch norm counters or the
optimizer move. A warning when nothing says that training went on: the same checkpoint twice looks like
that. A note when every learning rate in the files is 0, as at the start of a warm-up. Buffers may move
(batch norm statistics do so without any training) and are no evidence against it.

## References
Measured on 84 training runs: never, but for one with a learning rate of 0, which the file shows.
)md";

std::vector<Finding> check(const Series& series, const Intent&) {
  std::size_t same = 0, unknown = 0;
  for (const Track& track : series.tracks) {
    if (!track.is_parameter) continue;
    switch (movement(track)) {
      case Movement::kMoved:
        return {};
      case Movement::kSame:
        ++same;
        break;
      case Movement::kUnknown:
        ++unknown;
        break;
    }
  }
  if (same == 0 || unknown > same) return {};
  Finding finding;
  finding.message = fmt::format("none of the {} parameters moved in {} checkpoints", same,
                                series.snapshots.size());
  finding.evidence.push_back(
      {"series", fmt::format("bitwise the same from `{}` to `{}`", series.snapshots.front().path,
                             series.snapshots.back().path)});
  const bool advanced = training_advanced(series);
  const auto& first = series.snapshots.front().step;
  const auto& last = series.snapshots.back().step;
  if (advanced && first && last) {
    finding.evidence.push_back(
        {"series", fmt::format("{}: from {} to {}", series.order, *first, *last)});
  } else if (advanced) {
    finding.evidence.push_back({"series", "the counters of batch norm layers rise"});
  }
  if (std::all_of(series.snapshots.begin(), series.snapshots.end(),
                  [](const auto& snapshot) { return snapshot.zero_learning_rate; })) {
    finding.severity = Severity::kNote;
    finding.evidence.push_back({"optimizer", "every learning rate in the files is 0"});
  } else if (!advanced) {
    finding.severity = Severity::kWarning;
    finding.confidence = Confidence::kMedium;
    finding.evidence.push_back({"series", "nothing in the files says that training went on"});
  }
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule DRF002 = define_rule({
    .code = "DRF002",
    .name = "nothing-moves",
    .summary = "no parameter moves between the checkpoints of a run",
    .why = "the run learns nothing: the optimizer does not hold this model's parameters, never "
           "steps, or the same state is saved again and again",
    .help = "build the optimizer from the parameters of the model that is trained and saved, and "
            "call optimizer.step()",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
