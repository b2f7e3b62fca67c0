#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a storage that two tensors name with two element types.

## Why it matters
torch 2.13 reads the bytes with the first type it meets, for both tensors, without a word; other releases
read other numbers. `torch.save` never writes such a file: it refuses to.

## Example
```
storage "0" is named with two element types, float32 and int32
```

## What to do
Do not use the file: a tool made it that edits checkpoints. Ask for one that was saved by torch.

## Limits
Tensors of different types that look into one untyped storage, as torch writes them for the 8-bit float types,
are sound and silent.

## References
Measured with torch 2.13: an IntStorage under the key of a FloatStorage comes back as float32.
)md";

constexpr std::array kCodes = {ErrorCode::kStorageTwoTypes};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  return findings_of_faults(artifact, kCodes, [](const std::string&, const Fault&) {
    return "one storage is named with two element types";
  });
}

}  // namespace

extern constexpr Rule FMT019 = define_rule({
    .code = "FMT019",
    .name = "storage-dtype-conflict",
    .summary = "one storage is named with two element types",
    .why = "what numbers its tensors have depends on the release of torch that loads them",
    .help = "do not use the file; save the model again with torch",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
