#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a storage that the file does not hold, or holds with more bytes than the pickle says it has. In a file
of the legacy format also one with fewer.

## Why it matters
`torch.load` refuses the file: `record size (320 bytes) does not match expected size (256 bytes ...)`,
`failed locating file data/0`. `torch.jit.load` takes the first bytes of a record that is too long, so there
it is a warning. The file was damaged, or edited by hand.

## Example
```
`archive/data/0` has 320 bytes, the pickle says 256
```

## What to do
Save the model again, or fetch the file again.

## Limits
A record that is too short is FMT014 in an archive, because some loaders read on behind it. Example inputs of
a traced program are stored without bytes on purpose and are silent.

## References
Measured with torch 2.13.
)md";

constexpr std::array kMissing = {ErrorCode::kStorageMissing};
constexpr std::array kTooLong = {ErrorCode::kRecordTooLong};
constexpr std::array kOtherSize = {ErrorCode::kRecordTooLong, ErrorCode::kRecordTooShort};
constexpr std::array kAll = {ErrorCode::kStorageMissing, ErrorCode::kRecordTooLong,
                             ErrorCode::kRecordTooShort};

std::string name_of_pickle(const std::string& member) {
  return member.empty() ? "the pickle" : fmt::format("`{}`", member);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kMissing, [](const std::string& member, const Fault&) {
        return fmt::format("storages that {} names are missing", name_of_pickle(member));
      });
  const auto describe = [](const std::string& member, const Fault&) {
    return fmt::format("storages have another size than {} says", name_of_pickle(member));
  };
  const bool legacy = artifact.format == Format::kTorchLegacy;
  std::vector<Finding> sizes = legacy ? findings_of_faults(artifact, kOtherSize, describe)
                                      : findings_of_faults(artifact, kTooLong, describe);
  for (Finding& finding : sizes) {
    finding.key = "size";
    if (artifact.format == Format::kTorchScript) {
      finding.severity = Severity::kWarning;
      finding.why = "torch.jit.load takes the first bytes; other readers refuse the file";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT006 = define_rule({
    .code = "FMT006",
    .name = "record-size-mismatch",
    .summary = "a storage is missing, or has more bytes than the pickle says",
    .why = "the file cannot be loaded",
    .help = "save the model again, or fetch the file again: it is damaged",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kAll,
    .check = check,
});

}  // namespace torchvet::rules
