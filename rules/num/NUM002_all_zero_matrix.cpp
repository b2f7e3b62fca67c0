#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/never_trained.h"
#include "model/weights.h"
#include "rule/rule.h"
#include "rule/tensor_finding.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports weight matrices of 64 numbers and more in which every number is zero, in files that were
trained: an optimizer took steps, or norm layers moved.

## Why it matters
Such a layer gives its bias whatever comes in. Either it was never reached by training, or its
weights were lost: a buffer that was allocated and never filled, a shard that was not merged.

## Example
```python
merged = {name: torch.zeros(shape) for name, shape in shapes.items()}
for shard in shards: merged.update(shard)     # one name is spelled in another way: NUM002
```

## What to do
Look for the layer in `forward()`, and for its name where the weights come from.

## Limits
Many layers begin at zero on purpose: the second matrix of LoRA, gates, zero convolutions, the last
layer of a residual branch. Training moves them, so nothing is said of a file that does not prove that
it was trained; and layers with "lora", "adapter", "gate", "zero", "adaln" or "modulation" in their
path are silent always. A note where other matrices look trained but nothing proves it.

## References
Measured: none of 533 matrices in 28 published files is all zero.
)md";

bool begins_at_zero_on_purpose(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 6> kWords = {"lora", "adapter", "gate",
                                                      "zero", "adaln",   "modulation"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan = plan_of_matrices(artifact, kMoments);
  want_training_marks(artifact, plan);
  return plan;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    std::vector<TensorRemark> zero;
    for (const StateEntry& entry : weight_matrices(artifact, state)) {
      const std::optional<ValueFacts>& values = artifact.tensors[entry.tensor].values;
      if (!all_zero(values) || begins_at_zero_on_purpose(entry.name)) continue;
      zero.push_back({entry, fmt::format("all {} numbers are zero", values->numbers)});
    }
    if (zero.empty()) continue;
    const TrainingMarks marks = training_marks(artifact, state);
    if (!marks.trained && marks.moved_matrices <= marks.drawn_matrices) continue;
    Finding finding =
        finding_of_tensors(artifact, state, zero, "is all zero", "weight matrices are all zero");
    finding.severity = marks.trained ? Severity::kWarning : Severity::kNote;
    finding.confidence = Confidence::kMedium;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule NUM002 = define_rule({
    .code = "NUM002",
    .name = "all-zero-matrix",
    .summary = "a weight matrix of a trained model is all zero",
    .why = "a layer whose weights are all zero gives the same for every input",
    .help = "look whether the layer is used and whether its weights were loaded; delete it if it "
            "is not needed",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
