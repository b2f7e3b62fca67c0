#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Compares where the members of an archive lie with where torch's writer would have put them. That writer leaves
no choice: every member begins where the one before ends, its data at the next multiple of 64 bytes (or of what
`.storage_alignment` says). One note for the archive; a warning when storages are not where torch can compute
them to be.

## Why it matters
The file was packed anew, or edited, after it was saved. It loads. But a file that has `.format_version` tells
torch that the places of its storages can be computed: with `load.calculate_storage_offsets` and `mmap=True`
they are then read from the wrong places, without an error.

## Example
```
unzip model.pt && zip -0 -r model.pt model/
```

## What to do
If nobody was to edit the file, compare it with the original. Else load it and save it again with torch.

## Limits
Only archives with a `.data/serialization_id` are judged, which torch writes since 2.1 and tools keep. An edit
that leaves every member where it was is not seen here.

## References
Held for all of some 3,000 files that torch 2.13 wrote with `torch.save`, `torch.jit.save` and
`torch.export.save`, and for published files of older releases. The wrong numbers were
measured with torch 2.13.
)md";

constexpr std::array kNotes = {ErrorCode::kZipRepacked};
constexpr std::array kMoved = {ErrorCode::kZipOffsetsMoved};
constexpr std::array kAll = {ErrorCode::kZipRepacked, ErrorCode::kZipOffsetsMoved};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kMoved, [](const std::string& member, const Fault&) {
        return fmt::format("`{}` is not where torch computes it to be", member);
      });
  if (findings.empty()) {
    findings = findings_of_faults(artifact, kNotes, [](const std::string&, const Fault&) {
      return "the archive was edited or packed anew after torch saved it";
    });
    for (Finding& finding : findings) finding.severity = Severity::kNote;
    return findings;
  }
  for (Finding& finding : findings) {
    finding.severity = Severity::kWarning;
    finding.why = "with load.calculate_storage_offsets and mmap=True torch reads wrong numbers";
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT020 = define_rule({
    .code = "FMT020",
    .name = "repacked-archive",
    .summary = "an archive of torch that was edited or packed anew after it was saved",
    .why = "it is not the file that torch saved",
    .help = "compare it with the original, or load it and save it again",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kAll,
    .check = check,
});

}  // namespace torchvet::rules
