#include <fmt/format.h>

#include "model/storage_reach.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a tensor whose offset, shape and strides reach past the end of the storage it looks into.

## Why it matters
`torch.load` refuses such a file (`Trying to resize storage that is not resizable`), and readers
that do not check read memory that belongs to something else.

## Example
```
weight: shape [4, 4], strides [4, 1], offset 0 needs 16 elements; storage "0" has 12
```

## What to do
Save the file again from the model. If it came over a network or out of a tool that edits
checkpoints, fetch or make it again: the file is damaged.

## Limits
Sparse, nested and meta tensors have no strided storage and are not judged.

## References
`torch._utils._rebuild_tensor_v2`; a tensor needs offset + 1 + sum((size - 1) * stride) elements,
none when a size is 0.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const Tensor& tensor : artifact.tensors) {
    if (!reaches_past_storage(artifact, tensor)) continue;
    const Storage& storage = artifact.storages[*tensor.storage];
    const std::optional<std::uint64_t> needed = tensor.elements_reached();
    Finding finding;
    finding.where = location_of(artifact, tensor);
    finding.message = fmt::format("tensor `{}` reaches past the end of its storage",
                                  tensor.object_path);
    finding.evidence.push_back(
        {"tensor", fmt::format("shape [{}], strides [{}], offset {} needs {} elements; storage "
                               "\"{}\" has {}",
                               fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "),
                               tensor.storage_offset,
                               needed ? std::to_string(*needed) : "more than 2^64", storage.key,
                               storage.declared_bytes / item_size(tensor.dtype))});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule STO005 = define_rule({
    .code = "STO005",
    .name = "storage-too-small",
    .summary = "a tensor reaches past the end of its storage",
    .why = "loading fails, or reads memory that belongs to something else",
    .help = "save the file again from the model, or fetch it again: it is damaged",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
