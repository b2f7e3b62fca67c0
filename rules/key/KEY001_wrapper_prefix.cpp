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
Reports a state_dict whose names carry what a wrapper of the model added, and prints the rename that
gives the names of the model itself:

| part | added by |
|---|---|
| `module.` | DataParallel, DistributedDataParallel |
| `_orig_mod.` | torch.compile |
| `_fsdp_wrapped_module.` | FullyShardedDataParallel |
| `_checkpoint_wrapped_module.` | the wrapper for activation checkpointing |
| `_forward_module.` | Lightning with DeepSpeed |

They may be nested, and may stand in the middle of names where a part of the model was wrapped.

## Why it matters
`load_state_dict` of the model without the wrapper fails with "Missing key(s)" and "Unexpected
key(s)". With `strict=False` it is worse: nothing is loaded, and nothing is said.

## Example
```
62 of 62 names have `module.`: `module.conv1.weight`
```

## What to do
Save the state_dict of the model inside: `model.module.state_dict()` of DistributedDataParallel,
`model._orig_mod.state_dict()` of a compiled model. A file is mended by the printed line.

## Limits
A part that is private to its wrapper proves it. `module` does not: an attribute of the author may be
called so, which no state_dict tells from a wrapper when the model has no other. It is reported, with
medium confidence, when all names begin with it, and as a note when one part of the model has nothing
else below it (`features.module.0.weight`). Any other name or module at its side means that it is an
attribute. Averages (`AveragedModel`, which needs its `module.`), checkpoints of Lightning, which
unwraps the model before it saves, whole pickled modules and programs are silent. A checkpoint to
resume from may keep its names, as the run that goes on wraps the model again: with `--for resume` all
of this is a note.

## References
`torch.nn.modules.utils.consume_prefix_in_state_dict_if_present`;
`torch.nn.parallel.DistributedDataParallel`; `torch._dynamo.eval_frame.OptimizedModule`.
)md";

std::string evidence_of(const WrapperUse& use, std::size_t names) {
  std::string where = use.below.empty() ? "" : fmt::format(" below `{}`", use.below);
  return fmt::format("{} of {} names have `{}.`{}, which {} adds: `{}`", use.names, names, use.part,
                     where, use.maker, use.example);
}

std::string help_of(const WrappedNames& found, const StateDict& state) {
  if (found.flattened) {
    return "the parameters are FSDP's flat ones: load them into the same FSDP model and save a "
           "full "
           "state_dict from it";
  }
  if (found.steps.empty()) return "save the state_dict of the model inside the wrapper";
  return fmt::format("save the state_dict of the model inside the wrapper, or rename with: {}",
                     python_rename(found.steps, variable_of(state)));
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  std::vector<Finding> findings;
  for (const StateDict* state : saved_state_dicts(artifact)) {
    const WrappedNames found = wrapped_names(artifact, *state);
    if (found.uses.empty() || !mixed_names(artifact, *state).empty()) continue;
    Finding finding;
    finding.where = location_of(artifact, *state);
    const auto certain = std::any_of(found.uses.begin(), found.uses.end(),
                                     [](const WrapperUse& use) { return use.certain; });
    const auto at_root = std::any_of(found.uses.begin(), found.uses.end(),
                                     [](const WrapperUse& use) { return use.below.empty(); });
    finding.severity =
        intent.purpose == Purpose::kResume || !at_root ? Severity::kNote : Severity::kWarning;
    finding.confidence = certain ? Confidence::kHigh : Confidence::kMedium;
    std::vector<std::string> parts;
    for (const WrapperUse& use : found.uses) {
      parts.push_back(fmt::format("`{}.`", use.part));
      finding.evidence.push_back({"tensor", evidence_of(use, state->entries.size())});
    }
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    finding.message =
        fmt::format("names carry {}, which a wrapper added", fmt::join(parts, " and "));
    finding.help = help_of(found, *state);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule KEY001 = define_rule({
    .code = "KEY001",
    .name = "wrapper-prefix",
    .summary = "names of a state_dict carry what a wrapper of the model added",
    .why =
        "load_state_dict of the model without the wrapper fails, and with strict=False it silently "
        "loads nothing",
    .help = "save the state_dict of the model inside the wrapper",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
