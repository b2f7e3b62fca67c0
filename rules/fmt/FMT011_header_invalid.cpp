#include <array>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Checks the header of a safetensors file as the library does: its length, its JSON, the element type,
shape and byte range of each tensor; that the tensors fill the data without a hole, an overlap or bytes
left over. A name that stands twice in the header, which the library accepts, is reported too.

## Why it matters
The library refuses such a file. Of a name that stands twice one reader takes the first, another the
last: two programs see two models.

## Example
```
the header is one that readers refuse
  because  `fc.weight` takes 64 bytes by its dtype and shape, 60 by its data_offsets
```

## What to do
Write the file again with `safetensors.torch.save_file`. Bytes after the last tensor often come from a
file that was overwritten by a shorter one.

## Limits
A file that ends too early is FMT001. Element types that torch does not have (`F6_E2M3`, `F6_E3M2`) are
accepted, as the library does; their numbers are not read.

## References
The checks and their order are those of safetensors 0.8.0: `header too large`, `invalid JSON in header`,
`invalid offset for tensor`, `invalid shape, data type, or offset for tensor`, `incomplete metadata, file
not fully covered`.
)md";

constexpr std::array kRefused = {ErrorCode::kSafetensorsBadHeader};
constexpr std::array kTwice = {ErrorCode::kJsonDuplicateKey};
constexpr std::array kAll = {ErrorCode::kSafetensorsBadHeader, ErrorCode::kJsonDuplicateKey};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  if (artifact.format != Format::kSafetensors && artifact.format != Format::kShardedIndex &&
      artifact.format != Format::kDcpSafetensors)
    return {};
  std::vector<Finding> findings = findings_of_faults(
      artifact, kRefused,
      [](const std::string&, const Fault&) { return "the header is one that readers refuse"; });
  for (Finding& finding : findings_of_faults(
           artifact, kTwice,
           [](const std::string&, const Fault&) { return "a name stands twice in the header"; })) {
    finding.key = "twice";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT011 = define_rule({
    .code = "FMT011",
    .name = "header-invalid",
    .summary =
        "the header of a safetensors file is one that its library refuses, or reads in two ways",
    .why = "the library refuses the file, or two readers see two models in it",
    .help = "write the file again with safetensors.torch.save_file",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kAll,
    .check = check,
});

}  // namespace torchvet::rules
