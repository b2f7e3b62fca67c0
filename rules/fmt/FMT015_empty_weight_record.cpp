#include <fmt/format.h>

#include <string>
#include <utility>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports parameters, buffers and constants of an exported program whose record holds no bytes at all although
their shape has elements. When all records are empty the program was probably exported under a fake tensor
mode on purpose, and it is a warning.

## Why it matters
`torch.export.load` does not refuse such a record: the tensor loads as zeros, without a word, and the model
answers.

## Example
```
with FakeTensorMode():
    program = torch.export.export(Net(), args)   # shapes, no numbers
torch.export.save(program, "net.pt2")
```

## What to do
Export the model with its real weights. If the numbers are loaded from another file afterwards, ignore the
warning.

## Limits
A tensor without elements has an empty record rightly and is silent.

## References
Measured with torch 2.13: a record of 0 bytes for a weight of shape [8, 8] loads as 64 zeros; a record that
is too short is refused.
)md";

bool is_empty_record(const Artifact& artifact, const Storage& storage) {
  return storage.member && artifact.members[*storage.member].size == 0 &&
         storage.declared_bytes > 0;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  constexpr std::size_t kShown = 5;
  if (artifact.format != Format::kExportedProgram) return {};
  Finding finding;
  std::size_t empty = 0, others = 0;
  for (const Tensor& tensor : artifact.tensors) {
    if (!tensor.storage || tensor.role == TensorRole::kExampleInput) continue;
    const Storage& storage = artifact.storages[*tensor.storage];
    if (!is_empty_record(artifact, storage)) {
      others += storage.declared_bytes > 0 ? 1 : 0;
      continue;
    }
    if (empty++ == 0) {
      finding.where.member = artifact.members[*storage.member].name;
      finding.where.object_path = tensor.object_path;
    }
    if (empty > kShown) continue;
    finding.evidence.push_back(
        {"tensor", fmt::format("`{}` of shape [{}] needs {} bytes; its record `{}` has none",
                               tensor.object_path, fmt::join(tensor.shape, ", "),
                               storage.declared_bytes, storage.key)});
  }
  if (empty == 0) return {};
  if (others == 0) {
    finding.severity = Severity::kWarning;
    finding.message = "the program was saved without the numbers of any tensor";
    finding.why = "torch.export.load makes zeros of them without a word";
  } else {
    finding.message =
        fmt::format("{} of {} tensors were saved without their numbers", empty, empty + others);
  }
  return {finding};
}

}  // namespace

extern constexpr Rule FMT015 = define_rule({
    .code = "FMT015",
    .name = "empty-weight-record",
    .summary = "a tensor of an exported program has an empty record",
    .why = "torch.export.load makes zeros of it without a word",
    .help = "export the model with its real weights",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
