#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
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
resumed with `strict=False`. What it had learnt is lost, without any message. A layer that `forward()` makes
and assigns to the module (`self.head = nn.Linear(...)`) is replaced in every interval.

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
random numbers is unlearned there in healthy runs, with a cosine down to 0.16), matrices below 256 elements,
matrices that were zero before or grew tenfold (DRF003), intervals in which the others turned
as well (checkpoints far apart), series with fewer than two other matrices. In 2112 pairs of consecutive
checkpoints of healthy runs the lowest cosine was 0.72; of a layer that was reset, 100 steps later, at most
0.21.

## References
`torch.nn.Module.load_state_dict`; measured on 84 training runs with SGD, Adam and AdamW.
)md";

constexpr double kPeersAtLeast = 0.9;
constexpr float kDiverged = 10;  ///< what grows tenfold runs away, and was not replaced (DRF003)

/// A matrix that was replaced, and where.
struct Replaced {
  const Track* track = nullptr;
  std::vector<std::size_t> in;    ///< snapshots
  double cosine = 0, median = 0;  ///< in the first of them
  std::size_t others = 0;
};

/// Intervals in which a layer that is replaced is taken for one.
std::size_t judged_intervals(const Series& series) {
  std::size_t judged = 0;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to)
    judged += is_early(series, to) ? 0 : 1;
  return judged;
}

std::vector<Replaced> replaced_matrices(const Series& series) {
  std::vector<Replaced> found;
  std::map<const Track*, std::size_t> index;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    if (is_early(series, to)) continue;
    const MatrixPeers cosines(series, to, &TrackPoint::cosine);
    for (const auto& [track, cosine] : cosines.all()) {
      const TrackPoint& point = track->points[to];
      if (!point.replaced || point.growth >= kDiverged) continue;
      const std::optional<double> median = cosines.median_without(cosine);
      if (!median || *median < kPeersAtLeast) continue;
      const auto [known, added] = index.emplace(track, found.size());
      if (added) found.push_back({track, {}, cosine, *median, cosines.all().size() - 1});
      found[known->second].in.push_back(to);
    }
  }
  return found;
}

Finding finding_of(const Series& series, const Replaced& one) {
  const std::size_t first = one.in.front();
  const std::size_t judged = judged_intervals(series);
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.where.artifact = series.snapshots[first].path;
  finding.where.object_path = one.track->name;
  finding.message =
      fmt::format("`{}` was replaced since {}", one.track->name, series.snapshots[first - 1].path);
  finding.evidence.push_back(
      {"values", fmt::format("the cosine of before and after is {:.2f}; the median of the {} "
                             "other matrices is {:.2f}",
                             one.cosine, one.others, one.median)});
  const bool drawn = std::any_of(one.in.begin(), one.in.end(),
                                 [&](std::size_t to) { return one.track->points[to].drawn; });
  if (drawn) {
    finding.evidence.push_back(
        {"values", "it holds what torch's generator drew: an initialisation"});
  }
  if (one.in.size() > 1) {
    finding.evidence.push_back(
        {"series",
         fmt::format(
             "so it was in {} of the {} intervals that are judged{}", one.in.size(), judged,
             one.in.size() == judged && drawn ? ", as when forward() makes the layer anew" : "")});
  }
  if (one.in.size() > 1 && one.track->cause == StaticCause::kNotInOptimizer) {
    finding.evidence.push_back({"optimizer", std::string(text_of(one.track->cause))});
  }
  finding.confidence = drawn ? Confidence::kHigh : Confidence::kMedium;
  return finding;
}

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  for (const Replaced& one : replaced_matrices(series)) {
    findings.push_back(finding_of(series, one));
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
