#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "rule/rule.h"
#include "rule/tensor_finding.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports weight matrices of 1000 numbers and more whose largest magnitude is at least 1000 times the
one that 99 in 100 of their numbers do not exceed.

## Why it matters
A bit that flips in the exponent of a number makes it larger by powers of two. And a type with few
bits that must hold such a number has none left for the others.

## Example
```
`fc.weight` [64, 64]: the largest magnitude is 21.5, 99 in 100 do not exceed 0.0142
```

## What to do
Compare the file with an earlier checkpoint, or with the one it was copied from.

## Limits
A ratio, not a cause: an outlier may be learned. The quantile is read off a histogram and rounded up
by at most an eighth, so a ratio just above 1000 may be missed. A matrix of which more than half
of the numbers are zero is silent: it was pruned, and what is left says little. Variances and norms that stand out are not reported: healthy models have them by the
dozen.

## References
Measured: none of 436 matrices in 28 published files; at a ratio of 100 there are two, both healthy.
)md";

constexpr std::uint64_t kFewestNumbers = 1000;
constexpr double kShare = 0.99;
constexpr double kRatio = 1000;

bool is_judged(const Tensor& tensor) {
  return tensor.element_count().value_or(0) >= kFewestNumbers;
}

ValuePlan wants(const Artifact& artifact) {
  return plan_of_matrices(artifact, kHistogram, is_judged);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    std::vector<TensorRemark> spikes;
    for (const StateEntry& entry : weight_matrices(artifact, state)) {
      const Tensor& tensor = artifact.tensors[entry.tensor];
      if (!is_judged(tensor) || !tensor.values) continue;
      const ValueFacts& values = *tensor.values;
      const double usual = magnitude_quantile(values.histogram, kShare);
      const double largest = std::max(std::abs(values.min), std::abs(values.max));
      if (usual == 0 || values.zero * 2 > values.numbers || largest < kRatio * usual) continue;
      spikes.push_back({entry, fmt::format("the largest magnitude is {:.3g}, 99 in 100 do not "
                                           "exceed {:.3g}",
                                           largest, usual)});
    }
    if (spikes.empty()) continue;
    Finding finding =
        finding_of_tensors(artifact, state, spikes, "has numbers far beyond its others",
                           "weight matrices have numbers far beyond their others");
    finding.severity = Severity::kNote;
    finding.confidence = Confidence::kMedium;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule NUM005 = define_rule({
    .code = "NUM005",
    .name = "extreme-spike",
    .summary = "a weight matrix has numbers a thousand times larger than nearly all of its others",
    .why = "a lone huge weight is seldom learned, and it spoils quantization",
    .help = "look at the numbers; bits that flipped in memory or on a disk look like this",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kMedium,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
