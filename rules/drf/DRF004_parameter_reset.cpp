#include <fmt/format.h>

#include <vector>

#include "model/series_peers.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a matrix that has little in common with itself one checkpoint before (the cosine of the two is 0.3
or less) while the other matrices hardly turned (their median cosine is 0.9 or more).

## Why it matters
Its numbers were replaced, not trained: the layer was made anew, or its name did not match when the run was
resumed with `strict=False`. What it had learnt is lost, without any message.

## Example
```
`head.weight` was replaced since step_200.pt: cosine 0.02; the median of the 5 others is 0.97
it holds what torch's generator drew: an initialisation
```

## What to do
Look at what happened between the two checkpoints: a resume that loads with `strict=False`, a call of
`reset_parameters()`, a layer that is built again. Go back to the checkpoint before.

## Limits
The confidence is high when the new numbers are, bit for bit, what torch's generator draws; medium otherwise.
Not judged: intervals that are as long as the training before them (a position table that begins at small
random numbers is unlearned there in healthy runs, with a cosine down to 0.16), matrices below 256 elements, matrices that were zero before, intervals in which the others turned
as well (checkpoints far apart), series with fewer than two other matrices. In 2112 pairs of consecutive
checkpoints of healthy runs the lowest cosine was 0.72; of a layer that was reset, 100 steps later, at most
0.21.

## References
`torch.nn.Module.load_state_dict`; measured on 84 training runs with SGD, Adam and AdamW.
)md";

constexpr double kPeersAtLeast = 0.9;
constexpr double kZero = 1e-6;  ///< root mean square below which a matrix counts as zero

std::uint64_t elements_of(const TensorForm& form) {
  std::uint64_t count = 1;
  for (const std::int64_t size : form.shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

bool was_something(const TrackPoint& point, std::uint64_t elements) {
  return point.since->before_squared > kZero * kZero * static_cast<double>(elements);
}

/// True for an interval at the begin of a training, at least as long as all that went before: some
/// layers unlearn their initialisation there.
bool is_early(const Series& series, std::size_t to) {
  const std::optional<double>& before = series.snapshots[to - 1].step;
  const std::optional<double>& after = series.snapshots[to].step;
  return before && after && *after - *before >= *before;
}

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    if (is_early(series, to)) continue;
    const MatrixPeers cosines(series, to, [](const PairFacts& since) { return since.cosine(); });
    for (const auto& [track, cosine] : cosines.all()) {
      const TrackPoint& point = track->points[to];
      const std::uint64_t elements = elements_of(series.form(point));
      const bool replaced = was_replaced(elements, series.form(point).shape, *point.since);
      if (!replaced || !was_something(point, elements)) continue;
      const std::optional<double> median = cosines.median_without(cosine);
      if (!median || *median < kPeersAtLeast) continue;
      Finding finding;
      finding.severity = Severity::kWarning;
      finding.where.artifact = series.snapshots[to].path;
      finding.where.object_path = track->name;
      finding.message =
          fmt::format("`{}` was replaced since {}", track->name, series.snapshots[to - 1].path);
      finding.evidence.push_back(
          {"values", fmt::format("the cosine of before and after is {:.2f}; the median of the {} "
                                 "other matrices is {:.2f}",
                                 cosine, cosines.all().size() - 1, *median)});
      const bool drawn = point.fingerprint && point.fingerprint->kind != InitFingerprint::kNone;
      if (drawn) {
        finding.evidence.push_back(
            {"values", "it holds what torch's generator drew: an initialisation"});
      }
      finding.confidence = drawn ? Confidence::kHigh : Confidence::kMedium;
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule DRF004 = define_rule({
    .code = "DRF004",
    .name = "parameter-reset",
    .summary = "a matrix is replaced between two checkpoints while the others go on",
    .why =
        "what the layer had learnt is lost: it was made anew, or was not loaded when the run was "
        "resumed",
    .help = "look at what happened between the two checkpoints (strict=False, reset_parameters()) "
            "and go back to the one before",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
