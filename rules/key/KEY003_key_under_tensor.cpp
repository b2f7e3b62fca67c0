#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/key_prefixes.h"
#include "rule/rule.h"
#include "rule/state_dict_text.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a state_dict with a tensor under a name that is also the module of another name: `fc` and
`fc.weight`.

## Why it matters
An attribute is a tensor or a module, never both, so no model has these names: `load_state_dict` fails.
Tools that make a tree of the names lose one of the two.

## Example
```
`head` is a tensor, and `head.weight` needs a module there
```

## What to do
Find out which of the two the model has. Most often a layer took the place of a bare parameter, and
the old tensor stayed in the file when the new ones were added.

## Limits
Only lower names that torch.nn gives to parameters and buffers count (`weight`, `bias`,
`running_mean`, ...): quantizers keep the parts of a weight below its name (`weight.absmax`).

## References
`torch.nn.Module.register_parameter`, which refuses a name that is an attribute already.
)md";

constexpr std::size_t kMostShown = 3;

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict* state : saved_state_dicts(artifact)) {
    const std::vector<KeyUnderTensor> found = keys_under_tensors(*state);
    if (found.empty()) continue;
    Finding finding;
    finding.severity = Severity::kError;
    finding.where = location_of(artifact, *state);
    finding.message = fmt::format("`{}` is a tensor, and the name `{}` needs a module there",
                                  found.front().tensor, found.front().below);
    finding.key = found.front().tensor;
    for (std::size_t i = 0; i < std::min(found.size(), kMostShown); ++i) {
      const auto shape = [&](const std::string& name) {
        const auto id = state->find(name);
        return id ? fmt::format("{}", fmt::join(artifact.tensors[*id].shape, ", ")) : "";
      };
      finding.evidence.push_back(
          {"tensor", fmt::format("`{}`, shape [{}], and `{}`, shape [{}]", found[i].tensor,
                                 shape(found[i].tensor), found[i].below, shape(found[i].below))});
    }
    if (found.size() > kMostShown) {
      finding.evidence.push_back(
          {"tensor", fmt::format("{} more such names", found.size() - kMostShown)});
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule KEY003 = define_rule({
    .code = "KEY003",
    .name = "key-under-tensor",
    .summary = "a name is a tensor and at once the module of another name",
    .why = "an attribute is a tensor or a module, never both: no model can load these names",
    .help = "keep the names that the model has, and drop the others",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
