#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "rule/rule.h"
#include "rule/tensor_finding.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Counts NaN and infinities in the parameters and buffers of a model. Any of them in a parameter, or in
the running statistics of a norm layer, is an error; NaN in another buffer is a warning.

## Why it matters
NaN spreads: one in a weight reaches every output behind it, and one in a gradient reaches every
parameter at the next step. A training that went on after that saved nothing of use.

## Example
```python
loss = torch.log(torch.relu(x)).mean()   # log(0): the gradients are infinite, then NaN
loss.backward(); optimizer.step()
torch.save(model.state_dict(), "last.pt")   # NUM001
```

## What to do
Take the last checkpoint whose numbers are finite (`torchvet drift` names the first bad one). Then
look for the cause: `torch.autograd.set_detect_anomaly(True)`, a smaller learning rate, gradient
clipping, a loss scaler with float16.

## Limits
Infinite numbers in buffers are silent: masks hold `-inf`, observers for quantization begin with
`inf`. So are parameters with names of their own in a state_dict, where nothing tells them from
buffers, unless they hold NaN. A buffer that means "not set" by NaN is a warning all the same. Nested
and wrapped tensors, and sparse ones that name an element more than once, are not read; slots of
optimizers are those of OPT006.

## References
Measured: no tensor of 28 published files with 1514 tensors holds NaN or an infinite number.
)md";

bool is_read(const Tensor& tensor) {
  const bool has_values = tensor.layout == Layout::kStrided ||
                          (tensor.layout == Layout::kSparse && !tensor.uncoalesced);
  return has_values && tensor.dtype != DType::kBool;
}

/// Numbers that must be finite: a parameter's, and statistics that a norm layer divides by.
bool must_be_finite(const Artifact& artifact, const StateEntry& entry) {
  const std::string_view leaf = leaf_of(entry.name);
  if (leaf == "running_mean" || leaf == "running_var") return true;
  // Modules tell parameters from buffers; a state_dict does so by names alone.
  const Tensor& tensor = artifact.tensors[entry.tensor];
  return is_weight(artifact, entry) || tensor.is_parameter ||
         (!artifact.modules.empty() && tensor.role == TensorRole::kParameter);
}

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  for (const StateDict& state : artifact.state_dicts) {
    for (const StateEntry& entry : state.entries) {
      if (is_read(artifact.tensors[entry.tensor])) plan.items.push_back({entry.tensor, kMoments});
    }
  }
  return plan;
}

std::string text_of(const ValueFacts& values) {
  std::vector<std::string> parts;
  if (values.nan > 0) parts.push_back(fmt::format("{} NaN", values.nan));
  if (values.positive_infinity > 0)
    parts.push_back(fmt::format("{} inf", values.positive_infinity));
  if (values.negative_infinity > 0) {
    parts.push_back(fmt::format("{} -inf", values.negative_infinity));
  }
  return fmt::format("{} among {} numbers", fmt::join(parts, ", "), values.numbers);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    std::vector<TensorRemark> bad, doubtful;
    for (const StateEntry& entry : state.entries) {
      const std::optional<ValueFacts>& values = artifact.tensors[entry.tensor].values;
      if (!values || (values->computed & kMoments) == 0) continue;
      if (values->nan + values->positive_infinity + values->negative_infinity == 0) continue;
      if (must_be_finite(artifact, entry)) {
        bad.push_back({entry, text_of(*values)});
      } else if (values->nan > 0) {
        doubtful.push_back({entry, text_of(*values)});
      }
    }
    if (!bad.empty()) {
      findings.push_back(finding_of_tensors(artifact, state, bad, "is not finite",
                                            "parameters and statistics are not finite"));
    }
    if (doubtful.empty()) continue;
    Finding finding =
        finding_of_tensors(artifact, state, doubtful, "holds NaN", "buffers hold NaN");
    finding.severity = Severity::kWarning;
    finding.confidence = Confidence::kMedium;
    finding.key = "buffers";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule NUM001 = define_rule({
    .code = "NUM001",
    .name = "non-finite",
    .summary = "parameters hold NaN or infinite numbers",
    .why = "one NaN in a weight makes every output NaN",
    .help = "go back to the last checkpoint with finite numbers; look for a learning rate that is "
            "too high, an overflow in float16, or a division by zero in the loss",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
