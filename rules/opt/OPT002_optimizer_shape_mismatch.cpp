#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/optimizer_shapes.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Compares the shapes of what an optimizer keeps for a parameter (`exp_avg`, `exp_avg_sq`,
`momentum_buffer`, ...) with each other and with the parameter. The parameter is known by the names
that the optimizer keeps, or by its position, when one group lists as many parameters as the model has
and at least two of three have the right shape there. Where neither tells, a shape that no tensor of
the model has is a warning.

## Why it matters
`Optimizer.load_state_dict` does not look at shapes. The first `step()` after resuming fails, or
broadcasts and updates by numbers that belong to something else.

## Example
```
exp_avg of parameter 4 has shape [1000, 64]; `head.weight`, which stands there, has [10, 64]
```
The head was replaced after the optimizer had been made for the old one.

## What to do
Make the optimizer after the last change to the model. To go on from such a file, drop the state of
those parameters, or all of it.

## Limits
Only entries that hold nothing but what torch's own optimizers hold are judged: optimizers that
factor, project or quantize their state have shapes of their own, as Adafactor and those of 8 bits.
State that is one number for a row, a column or the whole parameter is silent. So are flattened
parameters, for which most shapes are missing in the model, and a file without a model.

## References
`torch.optim.Optimizer.load_state_dict`; torch 2.13 loads such a state and raises in `step()`.
)md";

std::string shown(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Finding finding_of(const OptimizerState& optimizer, const ShapeMismatch& mismatch) {
  const std::string& key = mismatch.entry->key;
  Finding finding;
  finding.where.object_path = fmt::format("{}.state[{}]", optimizer.path, key);
  finding.key = key;
  switch (mismatch.kind) {
    case ShapeMismatch::Kind::kSlots:
      finding.message = fmt::format("`{}` and `{}` of parameter {} have different shapes",
                                    mismatch.other_slot, mismatch.slot, key);
      finding.evidence.push_back(
          {"optimizer",
           fmt::format("`{}` has shape {}, `{}` has {}", mismatch.other_slot,
                       shown(mismatch.other_shape), mismatch.slot, shown(mismatch.shape))});
      break;
    case ShapeMismatch::Kind::kPlace:
      finding.message =
          fmt::format("the optimizer's state for `{}` has another shape", mismatch.parameter->name);
      finding.evidence.push_back(
          {"optimizer",
           fmt::format("`{}` of parameter {} has shape {}; `{}`, which stands there, has {}",
                       mismatch.slot, key, shown(mismatch.shape), mismatch.parameter->name,
                       shown(mismatch.other_shape))});
      break;
    case ShapeMismatch::Kind::kNowhere:
      finding.severity = Severity::kWarning;
      finding.confidence = Confidence::kMedium;
      finding.message =
          fmt::format("no tensor of the model has the shape of the state of parameter {}", key);
      finding.evidence.push_back(
          {"optimizer", fmt::format("`{}` of parameter {} has shape {}; the shapes of most others "
                                    "are those of tensors in the file",
                                    mismatch.slot, key, shown(mismatch.shape))});
      break;
  }
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const ShapeMismatch& mismatch : shape_mismatches(artifact, optimizer)) {
      findings.push_back(finding_of(optimizer, mismatch));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule OPT002 = define_rule({
    .code = "OPT002",
    .name = "optimizer-shape-mismatch",
    .summary = "the optimizer keeps state in a shape that its parameter does not have",
    .why = "the first step after resuming fails, or updates by numbers of something else",
    .help =
        "make the optimizer after the last change to the model; drop the state that does not fit",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
