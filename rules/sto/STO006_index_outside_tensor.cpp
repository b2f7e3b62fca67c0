#include <fmt/format.h>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports sparse tensors (COO, CSR, CSC, BSR, BSC) whose indices name elements outside their shape, or whose
compressed indices do not count the lines, and nested tensors whose sizes, strides and offsets leave the storage of
their buffer.

## Why it matters
`torch.load` builds a sparse tensor without a look at its indices: they are not checked by default. `to_dense`, a
product or an `index_select` then stop with an error that names no file, or read and write memory that belongs to
something else. Of a nested tensor the load itself fails.

## Example
```
graph: index 9 in dimension 0, which has the size 4
```

## What to do
Save the tensor again from its source, under `torch.sparse.check_sparse_tensor_invariants()`, which checks what is
built. Where the file was whole once, fetch it again.

## Limits
Whether a tensor that says it is coalesced names an element twice, and whether the indices of a line ascend, is not
looked at.

## References
`torch.sparse.check_sparse_tensor_invariants`; measured with torch 2.13.
)md";

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    const Layout layout = artifact.tensors[id].layout;
    if (layout == Layout::kSparse || layout == Layout::kNested) plan.items.push_back({id, kIndices});
  }
  return plan;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const Tensor& tensor : artifact.tensors) {
    if (!tensor.values || tensor.values->index_problem.empty()) continue;
    Finding finding;
    finding.where = location_of(artifact, tensor);
    finding.message =
        tensor.layout == Layout::kNested
            ? fmt::format("the parts of the nested tensor `{}` leave its buffer", tensor.object_path)
            : fmt::format("sparse tensor `{}` names elements that it does not have",
                          tensor.object_path);
    finding.evidence.push_back({"tensor", tensor.values->index_problem});
    if (tensor.layout == Layout::kNested) {
      finding.why = "torch.load fails";
      finding.help = "save the file again from the model, or fetch it again: it is damaged";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule STO006 = define_rule({
    .code = "STO006",
    .name = "index-outside-tensor",
    .summary = "the indices of a sparse or nested tensor lead outside it",
    .why = "torch.load takes it; what uses it stops, or reads and writes memory of something else",
    .help = "save it again under torch.sparse.check_sparse_tensor_invariants(), or fetch the file again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
