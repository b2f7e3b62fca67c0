#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <unordered_set>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports state that an optimizer keeps for parameters which none of its groups lists.

## Why it matters
torch makes no such file by itself: a group was taken out of `param_groups`, or files were joined, by
hand. `load_state_dict` carries the state along without a word, from file to file. The parameters it
was for are no longer trained, or their state is now under another number, and they start anew.

## Example
```
parameter 4: `exp_avg` of shape [8, 2]; 6 parameters have state; the groups list 4
```

## What to do
If the parameters should be trained, list them again; if not, delete their state, as it costs memory
and space.

## Limits
State that is not of a parameter, under a name such as `step` while the groups list numbers, is
silent. So is an optimizer whose list cannot be read or is empty.

## References
`torch.optim.Optimizer.load_state_dict`: what is under an unknown key is kept as it is.
)md";

constexpr std::size_t kMostShown = 5;

bool is_number(const ParameterKey& key) {
  return !key.empty() &&
         std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string described(const Artifact& artifact, const OptimizerEntry& entry) {
  if (entry.slots.empty()) return fmt::format("parameter {}", entry.key);
  const auto& [slot, tensor] = entry.slots.front();
  return fmt::format("parameter {}: `{}` of shape [{}]", entry.key, slot,
                     fmt::join(artifact.tensors[tensor].shape, ", "));
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    std::unordered_set<std::string_view> listed;
    std::uint64_t unreadable = 0;
    bool numbers = true;
    for (const ParamGroup& group : optimizer.groups) {
      unreadable += group.unreadable;
      for (const ParameterKey& key : group.params) {
        listed.insert(key);
        numbers = numbers && is_number(key);
      }
    }
    if (listed.empty() || unreadable > 0) continue;
    std::vector<const OptimizerEntry*> orphans;
    for (const OptimizerEntry& entry : optimizer.state) {
      const bool of_parameter = entry.step || entry.step_tensor || !entry.slots.empty();
      if (!of_parameter || is_number(entry.key) != numbers) continue;
      if (!listed.contains(entry.key)) orphans.push_back(&entry);
    }
    if (orphans.empty()) continue;

    Finding finding;
    finding.severity = Severity::kWarning;
    finding.where.object_path = optimizer.path;
    finding.message =
        fmt::format("the optimizer keeps state for {} parameter{} that none of its groups lists",
                    orphans.size(), orphans.size() == 1 ? "" : "s");
    for (std::size_t i = 0; i < std::min(orphans.size(), kMostShown); ++i) {
      finding.evidence.push_back({"optimizer", described(artifact, *orphans[i])});
    }
    finding.evidence.push_back(
        {"optimizer", fmt::format("{} parameters have state; the groups list {}",
                                  optimizer.state.size(), listed.size())});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule OPT003 = define_rule({
    .code = "OPT003",
    .name = "optimizer-orphan-state",
    .summary = "the optimizer keeps state for parameters that none of its groups lists",
    .why = "what the state was for is trained no more, or starts anew",
    .help = "list the parameters again, or delete their state",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
