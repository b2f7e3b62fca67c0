#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "rule/contract_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
With `--expect FILE`, and in `torchvet diff`: counts the elements of the model's parameters, those that share
their memory once, as `sum(p.numel() for p in model.parameters())` does, and reports another number than
expected. In `diff` it is a warning where nothing else differs in a way that breaks.

## Why it matters
It is the shortest of all contracts: a layer more, a smaller width, a vocabulary of another size, a weight that
is not tied any more, all change it.

## Example
```json
{"version": 1, "parameters": 124439808}
```

## What to do
Look at CTR001 to CTR003 for what changed; without names in the contract, compare with the last good file:
`torchvet diff new.pt --against old.pt`.

## Limits
A state_dict does not say which of its tensors are buffers: what has a usual buffer's name (`running_mean`,
`position_ids`) counts as one, unless the contract says otherwise. Weights that were tied are counted twice
where the format stores them twice.

## References
`torch.nn.Module.parameters`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (!intent.expected || !intent.expected->parameters) return {};
  const Expectation& expectation = *intent.expected;
  const Comparison comparison = compare_with(expectation, artifact);
  if (comparison.model.entries.empty() && !artifact.gaps.empty()) return {};
  const std::uint64_t expected = *expectation.parameters;
  if (comparison.parameters == expected) return {};
  Finding finding = finding_at(artifact, comparison, "");
  if (!comparison.parameters) {
    finding.message = fmt::format("more parameters than can be counted, and {} {}", expected,
                                  by_whom(expectation));
    return {std::move(finding)};
  }
  const std::uint64_t found = *comparison.parameters;
  finding.message = fmt::format("{} parameters, and {} {}", found, expected, by_whom(expectation));
  finding.evidence.push_back(
      {"tensor", fmt::format("{} {}", std::max(found, expected) - std::min(found, expected),
                             found > expected ? "more" : "fewer")});
  const bool loads = expectation.terms == Expectation::Terms::kLoadable &&
                     comparison.fit != Compatibility::kBreaking;
  if (loads) finding.severity = Severity::kWarning;
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule CTR004 = define_rule({
    .code = "CTR004",
    .name = "parameter-count-differs",
    .summary = "the model has more or fewer parameters than expected",
    .why = "it is not the model that was agreed on: layers are missing, new, or of another size",
    .help = "CTR001 to CTR003 say what changed; where a contract has no names, compare with the last "
            "good file: torchvet diff NEW --against OLD",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
    .needs_expectation = true,
});

}  // namespace torchvet::rules
