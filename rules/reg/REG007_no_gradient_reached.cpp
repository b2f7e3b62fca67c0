#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/optimizer_alignment.h"
#include "model/optimizer_evidence.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reads the optimizer in a checkpoint and reports parameters that it lists but that no gradient ever
reached: it holds no state for them while it does for others, or their second moments are all zero
while others' are not. Parameters are named by aligning the optimizer's ids with the model.

## Why it matters
An optimizer makes state for a parameter at the first step at which it has a gradient. No state means
that the parameter was frozen, or that `forward()` never used it: a layer left over, or one that
should have been wired in and was not.

## Example
```
angle_layers.2.twoBody_bond: none of its 8 parameters has state in the optimizer; 127 of 136 have
```
CHGNet's published checkpoints hold this one: the layer is registered and never used.

## What to do
Look for the module in `forward()`. If it should take part, wire it in and train again; if not,
delete it. If it is frozen on purpose, leave it out of the optimizer and this is silent.

## Limits
Frozen and unused look the same: the claim is "never received a gradient". So a lone parameter is a
note, unless its values are still bit for bit what the initialisation drew; a whole module without
state is a warning. Where most of the listed parameters have no state (a frozen backbone) there is
one note. SGD without momentum keeps no state at all: silent. Adagrad makes state at once: there
`sum` being all zero tells. Other moments tell from ten steps on: behind a layer that begins at 0 the
first gradients are exactly 0. Parameters whose name cannot be told (several groups, ids in another
order) are counted, not named.

## References
`torch.optim.Optimizer.state_dict`; measured on eight published Adam checkpoints and 70 unused
parameters of synthetic models: no parameter that had been used was without state.
)md";

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (const auto slot = second_moment_of(entry)) plan.items.push_back({*slot, kMoments});
      if (entry.step_tensor) plan.items.push_back({*entry.step_tensor, kMoments});
    }
    for (const AlignedParameter& listed : align_optimizer(artifact, optimizer).parameters) {
      if (!listed.parameter) continue;
      plan.items.push_back({listed.parameter->tensor, kFingerprint});
    }
  }
  return plan;
}

std::string in_model(const StateDict& model, std::string_view name) {
  return model.path.empty() ? std::string(name) : model.path + "." + std::string(name);
}

bool never_trained(const Artifact& artifact, const StateEntry& entry) {
  const std::optional<ValueFacts>& values = artifact.tensors[entry.tensor].values;
  return values && values->fingerprint && values->fingerprint->kind != InitFingerprint::kNone;
}

Finding group_finding(const Artifact& artifact, const GradientEvidence& evidence,
                      const UnreachedGroup& group) {
  const StateDict& model = *evidence.model;
  Finding finding;
  bool untouched = false;
  for (const UnreachedParameter& parameter : group.parameters) {
    const bool drawn = never_trained(artifact, parameter.entry);
    untouched = untouched || drawn;
    finding.evidence.push_back(
        {"optimizer",
         fmt::format(
             "`{}`: {}{}", parameter.entry.name,
             parameter.zero_moments ? "its second moments are all zero" : "no state",
             drawn ? ", and its values are still those that the initialisation drew" : "")});
  }
  finding.evidence.push_back(
      {"optimizer",
       fmt::format("`{}` lists {} parameters; gradients reached {}",
                   evidence.optimizer->path.empty() ? "the optimizer" : evidence.optimizer->path,
                   evidence.listed, evidence.listed - evidence.unreached)});
  const bool lone = group.parameters.size() == 1;
  finding.severity = lone && !untouched ? Severity::kNote : Severity::kWarning;
  if (lone) {
    const StateEntry& entry = group.parameters.front().entry;
    finding.where = location_of(artifact, artifact.tensors[entry.tensor]);
    finding.message = fmt::format("no gradient ever reached `{}`", entry.name);
  } else {
    finding.where.object_path = in_model(model, group.module);
    finding.message = fmt::format("no gradient ever reached any of the {} parameters of `{}`",
                                  group.parameters.size(), group.module);
  }
  return finding;
}

Finding count_finding(const GradientEvidence& evidence, std::uint64_t count, std::string key,
                      std::string explanation) {
  Finding finding;
  finding.severity = Severity::kNote;
  finding.where.object_path = evidence.optimizer->path;
  finding.message = fmt::format(
      "no gradient ever reached {} of the {} parameters that the optimizer "
      "lists",
      count, evidence.listed);
  finding.evidence.push_back({"optimizer", std::move(explanation)});
  finding.key = std::move(key);
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    const GradientEvidence evidence = gradient_evidence(artifact, optimizer);
    if (evidence.unreached == 0) continue;
    if (evidence.unreached * 2 > evidence.listed) {
      findings.push_back(count_finding(evidence, evidence.unreached, "most",
                                       "most of them have no state, as when a backbone is frozen"));
      continue;
    }
    for (const UnreachedGroup& group : evidence.groups) {
      findings.push_back(group_finding(artifact, evidence, group));
    }
    if (evidence.unnamed > 0) {
      findings.push_back(count_finding(evidence, evidence.unnamed, "unnamed",
                                       "their names cannot be told from the order and the shapes"));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG007 = define_rule({
    .code = "REG007",
    .name = "no-gradient-reached",
    .summary = "the optimizer lists parameters that no gradient ever reached",
    .why = "a parameter without optimizer state was frozen, or forward() never used it",
    .help =
        "wire the module into forward() and train again, or delete it; leave parameters that are "
        "frozen on purpose out of the optimizer",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
