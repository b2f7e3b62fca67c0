#include <fmt/format.h>

#include <set>
#include <vector>

#include "model/series_peers.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a matrix whose norm grows tenfold or more between two checkpoints while the other matrices at most
double (their median).

## Why it matters
One layer runs away: its activations saturate or overflow, and the run ends in NaN or in a model that does
not learn any more.

## Example
```
`blocks.1.fc.weight` grew 131-fold since step_200.pt; the median of the 9 others is 1.04
```

## What to do
Look at what is special about this layer: a learning rate or a weight decay of its own, a missing norm, a
sign error. Clip gradients. Go back to the checkpoint before.

## Limits
Not judged: the interval after step 0, matrices that were zero before, and series with fewer than two other
matrices. That all layers grow together is a matter of the learning rate, not of one layer. Tenfold was
measured to separate: in 2112 pairs of consecutive checkpoints of healthy runs the largest growth was 1.77
(5.5 from step 0), of a diverging layer 131. How large an update is, relative to those of other layers, does
not separate and is shown, never judged.

## References
Measured on 84 training runs with SGD, Adam and AdamW.
)md";

constexpr double kTenfold = 10;
constexpr double kPeersAtMost = 2;

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  std::set<const Track*> reported;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    if (series.snapshots[to - 1].step == 0.0) continue;
    const MatrixPeers growths(series, to, &TrackPoint::growth);
    for (const auto& [track, growth] : growths.all()) {
      if (growth < kTenfold) continue;
      const std::optional<double> median = growths.median_without(growth);
      if (!median || *median > kPeersAtMost || !reported.insert(track).second) continue;
      Finding finding;
      finding.confidence = Confidence::kMedium;
      finding.severity = Severity::kWarning;
      finding.where.artifact = series.snapshots[to].path;
      finding.where.object_path = track->name;
      finding.message = fmt::format("`{}` grew {:.3g}-fold in one interval", track->name, growth);
      finding.evidence.push_back(
          {"values",
           fmt::format("its norm is {:.3g} times that in {}; the median of the {} other "
                       "matrices is {:.3g}",
                       growth, series.snapshots[to - 1].path, growths.all().size() - 1, *median)});
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule DRF003 = define_rule({
    .code = "DRF003",
    .name = "divergence",
    .summary = "a matrix grows tenfold between two checkpoints while the others do not",
    .why = "one layer runs away: the run ends in NaN, or in a model that does not learn any more",
    .help = "look at what is special about this layer (its learning rate, its decay, a missing "
            "norm) and go back to the checkpoint before",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
