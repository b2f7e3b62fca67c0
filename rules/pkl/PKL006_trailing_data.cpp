#include <fmt/format.h>

#include <string>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports bytes after the last opcode of a pickle in an archive. In a file of the legacy format, bytes after the
last storage, and in a bare pickle, bytes after the first pickle: a warning there, because several objects can
be written into one such file on purpose.

## Why it matters
torch ignores the bytes. No writer makes them in an archive: something is hidden there, or the pickle was
edited. Of several objects in one file `torch.load(path)` reads only the first.

## Example
```
12 bytes follow the end of the pickle `archive/data.pkl`
```

## What to do
Do not use a file from others. If you wrote several objects into one file, write one dict, or several files.

## Limits
A second pickle in a bare pickle file is analysed as the first is; other bytes are not.

## References
Measured with torch 2.13: a second pickle behind `data.pkl` loads without a word, by `torch.load` and by
`torch.jit.load`.
)md";

bool may_hold_several(Format format) {
  return format == Format::kTorchLegacy || format == Format::kRawPickle;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  const bool several = may_hold_several(artifact.format);
  for (const PickleProgram& pickle : artifact.pickles) {
    if (pickle.trailing_bytes == 0) continue;
    Finding& finding = findings.emplace_back();
    if (several) {
      finding.severity = Severity::kWarning;
      finding.message = "bytes follow the end of the object in the file";
      finding.evidence.push_back({"bytes", fmt::format("{} bytes follow", pickle.trailing_bytes)});
      finding.why = "a loader reads the first object and ignores what follows";
      continue;
    }
    finding.where.member = pickle.name;
    finding.where.bytes =
        ByteRange{pickle.where.offset + pickle.where.length, pickle.trailing_bytes};
    finding.message = fmt::format("bytes follow the end of the pickle `{}`", pickle.name);
    finding.evidence.push_back({"bytes", fmt::format("its STOP is after {} bytes, {} follow",
                                                     pickle.where.length, pickle.trailing_bytes)});
  }
  return findings;
}

}  // namespace

extern constexpr Rule PKL006 = define_rule({
    .code = "PKL006",
    .name = "trailing-data",
    .summary = "bytes follow the end of a pickle",
    .why = "torch ignores them, so whatever they are was put there by something else than torch",
    .help = "do not use a file from others; write one object into a file",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
