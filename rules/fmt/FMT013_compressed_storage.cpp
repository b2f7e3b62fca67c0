#include <fmt/format.h>

#include <string>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file of `torch.save` in which the bytes of tensors lie compressed. One finding for the file, with
the first few members.

## Why it matters
`torch.load` inflates such members and the numbers are right, until someone passes `mmap=True`: then the
compressed bytes themselves are taken for numbers, without an error. torch never compresses tensors; a tool that packed the archive again did.

## Example
```
zip -r model.pt model/        # without -0
the tensors of `data/0` and 1 more are compressed
```

## What to do
Load the file without `mmap` and save it again with `torch.save`, or pack it without compression
(`zip -0`).

## Limits
TorchScript archives and exported programs are not reported: their loaders inflate every member, also those
that torch itself compresses (`code/`). Methods other than deflate are refused by every loader.

## References
Measured with torch 2.13: the same file loads `0, 1, 2, ...` by default and `7.4e-27, -6.0e-36, ...` with
`mmap=True`.
)md";

constexpr std::uint16_t kDeflated = 8;

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  constexpr std::size_t kShown = 5;
  if (artifact.format != Format::kTorchZip) return {};
  Finding finding;
  std::size_t count = 0;
  bool readable = true;
  for (const Storage& storage : artifact.storages) {
    if (!storage.compressed || !storage.member) continue;
    const Member& member = artifact.members[*storage.member];
    readable = readable && member.method == kDeflated;
    if (count == 0) {
      finding.where.member = member.name;
      finding.where.bytes = member.data;
    }
    if (++count > kShown) continue;
    finding.evidence.push_back(
        {"bytes", fmt::format("`{}`: {} bytes inflate to {} (method {})", member.name,
                              member.data.length, member.size, member.method)});
  }
  if (count == 0) return {};
  const std::string others = count > 1 ? fmt::format(" and {} more", count - 1) : "";
  finding.message = fmt::format("the numbers in `{}`{} lie compressed in the archive",
                                finding.where.member, others);
  if (!readable) {
    finding.why = "torch knows no method of compression but deflate: the file does not load";
  }
  return {finding};
}

}  // namespace

extern constexpr Rule FMT013 = define_rule({
    .code = "FMT013",
    .name = "compressed-storage",
    .summary = "the bytes of tensors lie compressed in the archive",
    .why = "torch.load(mmap=True) takes the compressed bytes for the numbers, without an error",
    .help = "load it without mmap and save it again, or pack the archive without compression",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
