#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Computes the checksum (CRC-32) of the members of an archive and compares it with the one that the directory
records: of pickles, programs and small records always, also of the parts of a program before torch 2.8, of all
members with `--digest`. A compressed member
that does not inflate to exactly the size that the directory records is reported too, as is one with bytes behind
the end of its stream; compressed numbers are inflated when a rule looks at them.

## Why it matters
No loader of torch looks at checksums, but for programs before torch 2.8, whose archive Python reads. A byte that changed on disk or on the way is a wrong number in a
weight, a wrong letter in a program, without any error. Of compressed numbers that are cut off torch loads what is
there, and behind it whatever lay in memory. A member that was edited by hand shows in the same
way.

## Example
```
the checksum of its 256 bytes is 1c291ca3, recorded is 9be3e0a3
```

## What to do
Fetch or copy the file again, and compare its sha256 with the original (`--digest` puts it into the JSON
report).

## Limits
A recorded checksum of 0 says nothing: `torch.serialization.set_crc32_options(False)` writes that. Whoever
edits a file on purpose can set the checksum right. The legacy format has none, safetensors neither.

## References
Measured with torch 2.13: a flipped byte in a storage, a changed number in `data.pkl` and a flipped letter in
the code of a TorchScript archive all load, and so does a deflated storage without its end.
)md";

constexpr std::array kCodes = {ErrorCode::kZipChecksum, ErrorCode::kZipBadDeflate};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kCodes, [](const std::string& member, const Fault& fault) {
        const std::string what = member.empty() ? "the file" : "`" + member + "`";
        return fault.error.code == ErrorCode::kZipChecksum
                   ? fmt::format("the bytes of {} are not those that were saved", what)
                   : fmt::format("the bytes of {} are damaged", what);
      });
  for (Finding& finding : findings) {
    if (finding.where.member.empty()) finding.why = "it cannot be unpacked";
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT004 = define_rule({
    .code = "FMT004",
    .name = "checksum-mismatch",
    .summary = "the bytes of a member do not fit its checksum",
    .why = "torch looks at no checksum: the changed bytes load as numbers or as code",
    .help = "fetch or copy the file again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
