#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "rule/contract_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
With `--expect FILE`, and in `torchvet diff`: reports tensors that are expected of the model and are not
there, one finding for each module that is missing as a whole. Where all names differ in one way, by what a
wrapper adds (`module.`, `_orig_mod.`) or by one prefix, that is one finding, with the rename; shapes and types
are then compared under the new names. A missing tensor beside an unexpected one of the same shape and type is
told as a possible rename; `diff` reads the numbers of both, and says when they are the same.

## Why it matters
`load_state_dict` raises "Missing key(s) in state_dict". With `strict=False` it leaves the layer as its
initialisation drew it, and the model runs and answers nonsense.

## Example
```sh
torchvet inspect good.pt --what tensors --format json > contract.json
torchvet check new.pt --expect contract.json
torchvet diff new.pt --against good.pt
```

## What to do
If the tensor has another name now, rename it (`state[new] = state.pop(old)`) or keep the attribute's old
name. If the model changed on purpose, write the contract anew.

## Limits
A rename is a guess where numbers were not read, or changed in the meantime. What modules do to a state_dict
in hooks and in a `_load_from_state_dict` of their own is not known: only that BatchNorm fills in a missing
`num_batches_tracked` where the file has no `_metadata`, which `diff` calls a warning. Extra states
(`get_extra_state`) are compared by name in files of `torch.save`; a whole pickled module and a program do
not list them. Of several models in a file, the one that shares the most names is compared.

## References
`torch.nn.Module.load_state_dict`, `torch.nn.modules.utils.consume_prefix_in_state_dict_if_present`.
)md";

std::string evidence_of(const Expectation& expectation, const Comparison& comparison,
                        const Change& change) {
  const ExpectedTensor& expected = expectation.tensors[*change.expected];
  std::string text =
      fmt::format("`{}`, {} {}", expected.name, form_text(expected), by_whom(expectation));
  if (change.moved) {
    text += fmt::format("; `{}` has the same shape and type{}: renamed?",
                        comparison.model.entries[*change.moved].name,
                        change.same_numbers ? ", and the same numbers" : "");
  } else if (expected.tied_to) {
    text += fmt::format("; there it is stored in the same place as `{}`",
                        expectation.tensors[*expected.tied_to].name);
  }
  if (change.fit == Compatibility::kUnknown && expected.is_tensor) {
    text += "; BatchNorm fills it in when it loads a state_dict without `_metadata`";
  }
  return text;
}

/// The model that has nothing of what is expected.
Finding nothing_there(const Artifact& artifact, const Expectation& expectation,
                      const Comparison& comparison) {
  Finding finding = finding_at(artifact, comparison, "");
  finding.message =
      comparison.model.entries.empty()
          ? fmt::format("no model is in it, and {} tensors of one are expected",
                        expectation.tensors.size())
          : fmt::format("none of the {} expected tensors is there", expectation.tensors.size());
  finding.evidence.push_back(
      {"tensor", fmt::format("`{}` {}", expectation.tensors.front().name, by_whom(expectation))});
  if (!comparison.model.entries.empty()) {
    finding.evidence.push_back(
        {"tensor", fmt::format("`{}` here", comparison.model.entries.front().name)});
  }
  return finding;
}

Finding other_names(const Artifact& artifact, const Expectation& expectation,
                    const Comparison& comparison) {
  const Renaming& renaming = *comparison.renaming;
  Finding finding = finding_at(artifact, comparison, "");
  finding.key = "names";
  finding.message = fmt::format("{} tensors have other names: `{}` is `{}` here", renaming.names,
                                renaming.expected_example, renaming.found_example);
  finding.evidence.push_back(
      {"tensor", fmt::format("`{}` {}", renaming.expected_example, by_whom(expectation))});
  if (!renaming.is_short()) {
    finding.help = "rename the tensors before loading, or save the model without its wrappers";
  } else if (renaming.added.empty()) {
    finding.help = python_rename(renaming.steps, "state");
  } else {
    finding.help =
        fmt::format("state = {{\"{}\" + k: v for k, v in state.items()}}", renaming.added);
  }
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (!intent.expected || intent.expected->tensors.empty()) return {};
  const Expectation& expectation = *intent.expected;
  const Comparison comparison = compare_with(expectation, artifact);
  // What could not be read is a gap; to call it missing would be a guess.
  if (comparison.model.entries.empty() && !artifact.gaps.empty()) return {};
  std::vector<const Change*> missing(expectation.tensors.size());
  std::size_t count = 0;
  for (const Change& change : comparison.changes) {
    if (change.kind != ChangeKind::kMissing) continue;
    missing[*change.expected] = &change;
    ++count;
  }
  const bool has_counterparts = std::any_of(
      comparison.changes.begin(), comparison.changes.end(),
      [](const Change& change) { return change.kind == ChangeKind::kMissing && change.moved; });
  if (count == expectation.tensors.size() && count > 1 && !has_counterparts) {
    return {nothing_there(artifact, expectation, comparison)};
  }
  std::vector<NamedChange> names;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const Change* change = missing[i];
    names.push_back({expectation.tensors[i].name, change,
                     change != nullptr ? evidence_of(expectation, comparison, *change) : ""});
  }
  std::vector<Finding> findings = findings_by_module(artifact, comparison, names, "is missing");
  if (comparison.renaming) {
    findings.insert(findings.begin(), other_names(artifact, expectation, comparison));
  }
  return findings;
}

}  // namespace

extern constexpr Rule CTR001 = define_rule({
    .code = "CTR001",
    .name = "expected-tensor-missing",
    .summary = "a tensor that is expected of the model is not there",
    .why = "load_state_dict raises, or, with strict=False, leaves the layer as it was initialised",
    .help = "rename the tensor if it has another name now; if the model changed on purpose, bring the "
            "contract or the code that loads it up to date",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
    .needs_expectation = true,
});

}  // namespace torchvet::rules
