#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "model/pickle_reports.h"
#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports an archive that torch's reader refuses before it builds anything, or a program that it cannot put
together:

- any archive of torch: a member that lies in another folder than the first one, a name that is no UTF-8, a
  version that is no number or that no torch up to 2.13 reads, an id of the contents that is no UTF-8
- a `.pt2`: records `archive_format` and `archive_version` that do not hold exactly `pt2` and `0`, a graph and a
  signature that do not name the same inputs and outputs, a call of an operator that torch does not have, or
  without an argument that it needs
- a TorchScript program, whose pickles LibTorch's own unpickler reads: an opcode that it does not know, such as a
  second PROTO, more than one value at the end, an object without an attribute that the code of its class
  declares, a class without code, another thing where a module should be
- a tar archive, which torch.save wrote before 0.1.10: a part that is missing, a header that belongs to no member
- a package of torch.package: a list of modules from outside (`.data/extern_modules`) that is missing, is no
  UTF-8, or names a folder of the package

## Why it matters
Nothing in the file can be loaded, although its numbers are all there: `file in archive is not in a
subdirectory`, `Couldn't parse the version`, `Saved archive version 00 does not match our current archive
version 0`, or a `UnicodeDecodeError` that names no file.

## Example
```
archive_version: the record holds "00", not "0"
```

## What to do
Save the model again. If a tool of yours writes archives, or edits them: one folder for all members, and the
small records byte for byte as torch writes them.

## Limits
`torch.jit.load` looks at the version only, so of the records of a TorchScript archive nothing else is judged.
Records that are missing are other findings. What a class makes of its state with `__setstate__` is not followed.

## References
Measured with torch 2.13: torch.load, torch.jit.load, torch.export.load and torch.distributed.checkpoint.
)md";

constexpr std::array kCodes = {ErrorCode::kArchiveRefused, ErrorCode::kTarBadHeader};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kCodes, [](const std::string& member, const Fault&) {
        return fmt::format("torch refuses the archive because of `{}`", member);
      });
  if (const LoaderPrediction* said = refused_by_script_loader(artifact)) {
    Finding finding;
    finding.where.member = said->where->member;
    finding.where.bytes = ByteRange{said->where->offset, 0};
    finding.message = fmt::format("torch refuses the archive because of `{}`", said->where->member);
    finding.evidence.push_back({"pickle", "torch.jit.load says: " + said->error});
    if (!said->where->cause.empty()) finding.evidence.push_back({"pickle", said->where->cause});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT021 = define_rule({
    .code = "FMT021",
    .name = "archive-refused",
    .summary = "torch's reader refuses the archive before it builds anything",
    .why = "nothing in the file can be loaded",
    .help = "save the model again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kLoaders,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
    .loader = kScriptLoader,
});

}  // namespace torchvet::rules
