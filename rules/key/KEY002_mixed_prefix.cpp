#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/key_prefixes.h"
#include "rule/rule.h"
#include "rule/state_dict_text.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a state_dict in which some names of one module carry the part that a wrapper adds
(`module.`, `_orig_mod.`, `_fsdp_wrapped_module.`, ...) and others do not.

## Why it matters
Such names come from two state_dicts that were put together, or from a rename that was not done
everywhere. No model has them: `load_state_dict` fails for the wrapped model and for the bare one, and
with `strict=False` a part of the layers silently keeps its initialisation.

## Example
```
`_orig_mod.encoder.weight` and `head.weight` in one state_dict of a model that was compiled whole
```

## What to do
Rename all, or none. Where a tensor is there twice, with the prefix and without, find out which of the
two is the trained one.

## Limits
A part that is private to its wrapper proves itself: what is wrapped has all its tensors below it.
`module` may be an attribute of the author with others beside it, so it needs a proof: `_metadata` that
knows the modules in one of the two forms only; or without `_metadata` the layers of one list that have
it in part, or, as a warning, the whole model in both forms. A part of a model that was compiled alone
(`backbone._orig_mod.weight` beside `head.weight`) is no mixture.

## References
`torch.nn.Module.load_state_dict`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict* state : saved_state_dicts(artifact)) {
    for (const MixedNames& mixed : mixed_names(artifact, *state)) {
      Finding finding;
      finding.severity =
          mixed.certainty == Certainty::kPossible ? Severity::kWarning : Severity::kError;
      finding.confidence =
          mixed.certainty == Certainty::kProven ? Confidence::kHigh : Confidence::kMedium;
      finding.where = location_of(artifact, *state);
      finding.key = mixed.parent + "." + mixed.part;
      const std::string below =
          mixed.parent.empty() ? "" : fmt::format(" below `{}`", mixed.parent);
      finding.message = fmt::format("{} name{}{} ha{} the prefix `{}.`, {} do{} not", mixed.with,
                                    mixed.with == 1 ? "" : "s", below, mixed.with == 1 ? "s" : "ve",
                                    mixed.part, mixed.without, mixed.without == 1 ? "es" : "");
      finding.evidence.push_back(
          {"tensor", fmt::format("`{}` and `{}`", mixed.with_example, mixed.without_example)});
      finding.evidence.push_back({"tensor", mixed.proof});
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule KEY002 = define_rule({
    .code = "KEY002",
    .name = "mixed-prefix",
    .summary = "some names of a module carry a wrapper's prefix and others do not",
    .why = "no model has such names: load_state_dict fails, with the wrapper and without",
    .help = "rename all names or none; of a tensor that is there twice, keep the trained one",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
