#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/adam_state.h"
#include "model/optimizer_alignment.h"
#include "model/optimizer_evidence.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reads the second moments in an optimizer of the Adam family, which are running means of squared
gradients, and reports weight matrices whose gradients are so small that Adam's `eps` swallows the
steps (below a thousandth of it), while another matrix of the model has gradients at least 10^8 times
larger. From 100 steps on.

## Why it matters
The step is divided by `sqrt(moment) + eps`. Below `eps` the steps shrink with the gradients: the layer
stands still.

## Example
```
`2.weight` [64, 64]: gradients of 2.4e-17 after 600 steps, eps is 1e-08; `38.weight` has 0.031
```
Twenty layers with a sigmoid behind each: what reaches the first ones has shrunk away.

## What to do
Look at the gradients of each layer in one step of training. Residual connections, normalisation, or an
activation that does not saturate let them through.

## Limits
Only the extreme can be told from healthy files: there the largest and the smallest gradients of
matrices differ by up to 2e4 already. So a net of ten such layers is not reported. Vectors are not
judged: the bias in front of a batch norm has next to no gradient by construction. Moments that are all
zero are REG007. Exploding gradients do not show in moments. Names are those of the alignment of the
optimizer with the model; where it cannot tell, the key.

## References
`torch.optim.Adam`. Measured: found in 2 of 2 nets of 20 sigmoid layers and 0 of 2 nets of 10; no false
finding in 22 healthy trainings and 8 published checkpoints.
)md";

constexpr double kFewestSteps = 100;
constexpr double kShareOfEps = 1e-3;
constexpr double kRatio = 1e8;
constexpr std::size_t kMaxNamed = 8;

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (const auto slot = adam_slot(entry, "exp_avg_sq")) plan.items.push_back({*slot, kSums});
      if (entry.step_tensor) plan.items.push_back({*entry.step_tensor, kMoments});
    }
  }
  return plan;
}

/// The gradients of one matrix.
struct Gradients {
  std::string name;
  TensorId slot = 0;
  double size = 0;  ///< root of their mean square
  double step = 0;
  double eps = 0;
};

std::optional<Gradients> gradients_of(const Artifact& artifact, const AlignedParameter& listed,
                                      const AdamNumbers& numbers) {
  if (!listed.entry || !numbers.eps || !numbers.beta2) return std::nullopt;
  const std::optional<TensorId> slot = adam_slot(*listed.entry, "exp_avg_sq");
  const std::optional<double> step = step_of(artifact, *listed.entry);
  if (!slot || !step || *step < kFewestSteps) return std::nullopt;
  const Tensor& tensor = artifact.tensors[*slot];
  const std::optional<ValueFacts>& values = tensor.values;
  if (tensor.shape.size() < 2 || !values || (values->computed & kSums) == 0) return std::nullopt;
  if (values->numbers == 0 || values->min < 0 || values->sum <= 0) return std::nullopt;
  const double corrected = 1 - std::pow(*numbers.beta2, *step);
  if (!(corrected > 0)) return std::nullopt;
  const double mean = values->sum / static_cast<double>(values->numbers);
  return Gradients{listed.parameter ? listed.parameter->name : listed.key, *slot,
                   std::sqrt(mean / corrected), *step, *numbers.eps};
}

std::vector<Gradients> all_gradients(const Artifact& artifact, const OptimizerState& optimizer) {
  std::vector<AdamNumbers> numbers;  // parallel to the listed parameters
  for (std::size_t group = 0; group < optimizer.groups.size(); ++group) {
    numbers.insert(numbers.end(), optimizer.groups[group].params.size(),
                   adam_numbers(artifact, optimizer, group));
  }
  std::vector<Gradients> all;
  const OptimizerAlignment alignment = align_optimizer(artifact, optimizer);
  for (std::size_t i = 0; i < alignment.parameters.size() && i < numbers.size(); ++i) {
    if (auto one = gradients_of(artifact, alignment.parameters[i], numbers[i])) {
      all.push_back(std::move(*one));
    }
  }
  return all;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    const std::vector<Gradients> all = all_gradients(artifact, optimizer);
    if (all.empty()) continue;
    const auto largest = std::max_element(
        all.begin(), all.end(), [](const auto& a, const auto& b) { return a.size < b.size; });
    std::vector<const Gradients*> vanished;
    for (const Gradients& one : all) {
      if (one.size < kShareOfEps * one.eps && largest->size >= kRatio * one.size) {
        vanished.push_back(&one);
      }
    }
    if (vanished.empty()) continue;
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.confidence = Confidence::kMedium;
    finding.where.object_path = optimizer.path;
    finding.message = fmt::format("the gradients of {} of {} weight matrices have vanished",
                                  vanished.size(), all.size());
    for (const Gradients* one : vanished) {
      if (finding.evidence.size() == kMaxNamed) break;
      finding.evidence.push_back(
          {"optimizer", fmt::format("`{}` [{}]: gradients of {:.2g} after {} steps, eps is {:.2g}",
                                    one->name, fmt::join(artifact.tensors[one->slot].shape, ", "),
                                    one->size, one->step, one->eps)});
    }
    finding.evidence.push_back(
        {"optimizer", fmt::format("`{}` has {:.2g}", largest->name, largest->size)});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule OPT005 = define_rule({
    .code = "OPT005",
    .name = "vanishing-gradient",
    .summary = "gradients of a weight matrix vanish beside those of others",
    .why = "the matrix hardly learns, however long the training goes on",
    .help = "use residual connections, normalisation, another activation or another "
            "initialisation; look whether the layer is cut off from the loss",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
