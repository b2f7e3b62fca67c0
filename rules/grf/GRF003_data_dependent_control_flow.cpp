#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/program_form.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports programs that decide by the numbers of an input tensor: an `if` or a loop whose condition is
computed from them, or a number taken out of such a tensor (`item`, `int(...)`).

## Why it matters
Such a program cannot be captured as one graph: compilers split it there, an accelerator waits for the
number, and a trace of it keeps one branch for good.

## Example
```python
if x.sum() > 0:            # scripted: prim::If; exported: torch.cond
    x = self.positive(x)
```

## What to do
Nothing, when the decision is meant. To capture the program whole, write it with `torch.where`, or
`torch.cond` for torch.export.

## Limits
Decisions by shapes, by options that are no tensors, and by `training` are none. A branch that a trace
froze has left nothing in the file: that nothing is reported of a traced program is no proof that there
was no decision.

## References
`torch.cond`; measured on 181 transformers models: five, all true.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const Graph& graph : artifact.graphs) {
    const std::vector<NodeId>& conditions = graph.facts.data_conditions;
    if (conditions.empty()) continue;
    const Node& first = graph.nodes[conditions.front()];
    Finding finding;
    finding.severity = Severity::kNote;
    finding.where = location_of(first);
    finding.message =
        fmt::format("{}() decides by the numbers of its input at {} place{}", graph.method,
                    conditions.size(), conditions.size() == 1 ? "" : "s");
    finding.evidence.push_back(
        {"graph", fmt::format("the first is {}, on a value computed from an input", first.op)});
    finding.key = graph.method;
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string_view unseen(const Artifact& artifact) {
  if (program_form(artifact) != ProgramForm::kTrace) return "";
  return "a branch that its example did not take";
}

}  // namespace

extern constexpr Rule GRF003 = define_rule({
    .code = "GRF003",
    .name = "data-dependent-control-flow",
    .summary = "the program decides by the numbers of its input",
    .why = "it cannot be captured as one graph, and an accelerator waits at each decision",
    .help =
        "nothing, when it is meant; else decide with torch.where, or torch.cond for torch.export",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .unseen = unseen,
});

}  // namespace torchvet::rules
