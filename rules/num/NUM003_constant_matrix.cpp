#include <fmt/format.h>

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
Reports weight matrices of 64 numbers and more in which every number is the same, and not zero.

## Why it matters
Equal weights give equal outputs and get equal gradients: the layer stays as narrow as one unit,
however long it is trained. It is what `nn.init.constant_` and `ones_` leave in a matrix, and what a
buffer that was never filled holds.

## Example
```python
for parameter in model.parameters():
    nn.init.constant_(parameter, 0.01)   # NUM003: every unit is the same
```

## What to do
Use a random initialisation for matrices and constants for biases and norm layers.

## Limits
A kernel that averages (`1/9` in a window of 3 by 3) is silent, and so is a matrix with one size
above 1, as the gain of a norm layer that is stored with more dimensions. NaN is NUM001, zeros are
NUM002. Buffers are not judged, as far as the file tells them from parameters.

## References
Measured: none of 533 matrices in 28 published files; 108 constant vectors there are biases and
masks, which are not judged.
)md";

constexpr double kTolerance = 1e-3;

ValuePlan wants(const Artifact& artifact) { return plan_of_matrices(artifact, kMoments); }

/// A mean over the window, or over the window and the channels.
bool averages(const Tensor& tensor, double number) {
  if (tensor.shape.size() < 3) return false;
  double window = 1;
  for (std::size_t i = 2; i < tensor.shape.size(); ++i) {
    window *= static_cast<double>(tensor.shape[i]);
  }
  const double all = window * static_cast<double>(tensor.shape[1]);
  return std::abs(number * window - 1) < kTolerance || std::abs(number * all - 1) < kTolerance;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    std::vector<TensorRemark> constant;
    for (const StateEntry& entry : weight_matrices(artifact, state)) {
      const Tensor& tensor = artifact.tensors[entry.tensor];
      if (!tensor.values || !tensor.values->all_equal) continue;
      const double number = tensor.values->first;
      if (number == 0 || !std::isfinite(number) || averages(tensor, number)) continue;
      constant.push_back(
          {entry, fmt::format("all {} numbers are {:.6g}", tensor.values->numbers, number)});
    }
    if (constant.empty()) continue;
    Finding finding = finding_of_tensors(artifact, state, constant, "is one number throughout",
                                         "weight matrices are one number throughout");
    finding.severity = Severity::kWarning;
    finding.confidence = Confidence::kMedium;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule NUM003 = define_rule({
    .code = "NUM003",
    .name = "constant-matrix",
    .summary = "all numbers of a weight matrix are the same",
    .why = "all units of such a layer compute the same thing, and gradients keep them equal",
    .help = "draw the weights at random (torch.nn.init), or load those that belong there",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
