#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/program_form.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports views of a traced program that state the batch size of the example that it was traced with, where
the tensor comes from the input.

## Why it matters
Tracing writes down the numbers it sees. With another batch size the program fails, or mixes up the
samples where the sizes happen to fit.

## Example
```python
x.view(x.size(0), -1)       # fine: the size is asked for on every call
x.view(len(batch), -1)      # GRF006: view(x, [2, -1]) in the file
```

## What to do
Take sizes from the tensor (`x.size(0)`, `x.shape[0]`, `-1`), and trace again.

## Limits
Only for traces that kept their example inputs, all with the same first size of 2 or more: with 1 it
cannot be told from other ones. A size that equals the batch by chance looks the same: a note. Exported
programs state every size unless `dynamic_shapes` was given: not judged.

## References
`torch.jit.trace`; measured on 178 traces of transformers models: none.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const Graph& graph : artifact.graphs) {
    const std::vector<BakedSize>& baked = graph.facts.baked_sizes;
    if (baked.empty()) continue;
    const Node& first = graph.nodes[baked.front().node];
    Finding finding;
    finding.severity = Severity::kNote;
    finding.confidence = Confidence::kMedium;
    finding.where = location_of(first);
    finding.message = fmt::format("the batch size {} of the example is written into {}()",
                                  baked.front().size, graph.method);
    finding.evidence.push_back(
        {"graph",
         fmt::format("{} of a tensor that comes from the input states {} as its first size{}",
                     first.op, baked.front().size,
                     baked.size() == 1 ? std::string()
                                       : fmt::format("; {} such operators in all", baked.size()))});
    finding.key = graph.method;
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string_view unseen(const Artifact& artifact) {
  switch (program_form(artifact)) {
    case ProgramForm::kNone:
    case ProgramForm::kScript:
      return "";
    case ProgramForm::kTrace:
      return example_batch(artifact)
                 ? ""
                 : "a batch size that is written in, as its example does not tell it";
    case ProgramForm::kExport:
    case ProgramForm::kDecomposedExport:
      return artifact.exported->dynamic
                 ? ""
                 : "a batch size that is written in, as all its sizes are fixed";
  }
  return "";
}

}  // namespace

extern constexpr Rule GRF006 = define_rule({
    .code = "GRF006",
    .name = "batch-size-baked",
    .summary = "the batch size of the example is written into the program",
    .why = "with another batch size the program fails or mixes up the samples",
    .help = "take sizes from the tensor (x.size(0), -1) and trace again",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kMedium,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .unseen = unseen,
});

}  // namespace torchvet::rules
