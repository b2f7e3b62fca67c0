#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports an archive whose record `byteorder` is neither `little` nor `big`.

## Why it matters
`torch.load` refuses the file: `Unknown endianness type: middle`. `torch.jit.load` does not look and reads the
numbers in the order of its own machine, so there it is a warning.

## Example
```
the byte order is "little\n", neither little nor big
```

## What to do
Save the model again. If you wrote the record yourself: five letters, no newline.

## Limits
Without the record torch takes little, as before 2.1, and the rule is silent. Exported programs are not
reported: torch.export.load does not refuse them.

## References
Measured with torch 2.13, also for `Little` and for an empty record.
)md";

constexpr std::array kCodes = {ErrorCode::kByteOrderUnknown};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kCodes, [](const std::string& member, const Fault&) {
        return fmt::format("`{}` names no byte order", member);
      });
  if (artifact.format != Format::kTorchScript) return findings;
  for (Finding& finding : findings) {
    finding.severity = Severity::kWarning;
    finding.why = "torch.jit.load reads the numbers in the order of its own machine";
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT018 = define_rule({
    .code = "FMT018",
    .name = "byteorder-unknown",
    .summary = "the archive names a byte order that is neither little nor big",
    .why = "torch.load refuses the file",
    .help = "save the model again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
