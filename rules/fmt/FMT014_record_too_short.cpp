#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports members of an archive that hold fewer bytes than the pickle says the storage in them has.

## Why it matters
Not every loader compares the two. `torch.jit.load` and `torch.load(mmap=True)` go by the pickle and read
on behind the end of the member: other numbers in each run, or those of the next tensor. Only plain
`torch.load` refuses the file. It was damaged, or edited by hand.

## Example
```
`archive/data/0` has 128 bytes, the pickle says 256
```

## What to do
Do not use the file. Save the model again, or fetch the file again.

## Limits
Example inputs of a traced program are stored without bytes on purpose and are silent. Exported programs
are not reported here: torch.export.load compares sizes (STO005, FMT015).

## References
Measured with torch 2.13: a TorchScript archive with a record of 128 instead of 256 bytes loads, and the
second half of the weight is whatever lies in memory.
)md";

constexpr std::array kCodes = {ErrorCode::kRecordTooShort};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  if (artifact.format == Format::kTorchLegacy) return {};  // FMT006: its loader compares
  std::vector<Finding> findings =
      findings_of_faults(artifact, kCodes, [](const std::string& member, const Fault&) {
        return fmt::format("storages have fewer bytes than `{}` says", member);
      });
  for (Finding& finding : findings) {
    finding.why = artifact.format == Format::kTorchScript
                      ? "torch.jit.load reads memory behind the end of the member as numbers"
                      : "torch.load refuses the file, and with mmap=True reads memory behind the "
                        "end of the member as numbers";
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT014 = define_rule({
    .code = "FMT014",
    .name = "record-too-short",
    .summary = "a storage has fewer bytes than the pickle says",
    .why = "loaders that do not compare sizes read memory behind the end of the member as numbers",
    .help = "save the model again, or fetch the file again: it is damaged",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
