#include <fmt/format.h>

#include <string>
#include <vector>

#include "rule/contract_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
With `--expect FILE`, and in `torchvet diff`: reports tensors of the model that nobody expects, one finding for
each module of which nothing is expected. In `diff` it is an error: a strict `load_state_dict` raises.

## Why it matters
`load_state_dict` raises "Unexpected key(s) in state_dict"; with `strict=False` the numbers are dropped without
a word. A tensor that is new in a deployed model is also a change that somebody should have agreed to.

## Example
```sh
torchvet check new.pt --expect contract.json --severity CTR002=error   # let it gate there too
```

## What to do
Take the tensor out of the file (`state.pop(name)`), or write the contract anew. A buffer that need not be
saved is registered with `persistent=False`.

## Limits
As for CTR001. Values that are no tensors (extra states) are told in `diff` alone, and there only in files
of `torch.save`.

## References
`torch.nn.Module.load_state_dict`, `torch.nn.Module.register_buffer`.
)md";

std::string evidence_of(const Expectation& expectation, const Artifact& artifact,
                        const Comparison& comparison, const Change& change) {
  if (!change.entry) return fmt::format("`{}`, which is no tensor", change.name);
  const Tensor& tensor = artifact.tensors[comparison.model.entries[*change.entry].tensor];
  std::string text = fmt::format("`{}`, {}", change.name, form_text(tensor));
  if (change.moved) {
    text += fmt::format("; `{}` {} has the same shape and type{}: renamed?",
                        expectation.tensors[*change.moved].name, by_whom(expectation),
                        change.same_numbers ? ", and the same numbers" : "");
  }
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  // A contract that names no tensor is about the number of parameters alone.
  if (!intent.expected || intent.expected->tensors.empty()) return {};
  const Expectation& expectation = *intent.expected;
  const Comparison comparison = compare_with(expectation, artifact);
  std::vector<const Change*> unexpected(comparison.model.entries.size());
  std::vector<NamedChange> names;
  for (const Change& change : comparison.changes) {
    if (change.kind == ChangeKind::kUnexpected && change.entry) unexpected[*change.entry] = &change;
  }
  for (std::size_t i = 0; i < unexpected.size(); ++i) {
    const Change* change = unexpected[i];
    names.push_back(
        {comparison.model.entries[i].name, change,
         change != nullptr ? evidence_of(expectation, artifact, comparison, *change) : ""});
  }
  for (const Change& change : comparison.changes) {
    if (change.kind != ChangeKind::kUnexpected || change.entry) continue;
    names.push_back({change.name, &change, evidence_of(expectation, artifact, comparison, change)});
  }
  std::vector<Finding> findings =
      findings_by_module(artifact, comparison, names, "is not expected");
  for (Finding& finding : findings) finding.severity = Severity::kWarning;
  return findings;
}

}  // namespace

extern constexpr Rule CTR002 = define_rule({
    .code = "CTR002",
    .name = "unexpected-tensor",
    .summary = "the model has a tensor that nobody expects",
    .why = "load_state_dict raises, or, with strict=False, drops its numbers without a word",
    .help = "take it out of the file if nothing needs it; if the model changed on purpose, bring the "
            "contract or the code that loads it up to date",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
    .needs_expectation = true,
});

}  // namespace torchvet::rules
