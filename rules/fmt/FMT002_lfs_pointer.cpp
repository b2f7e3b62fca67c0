#include <fmt/format.h>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a Git LFS pointer in the place of a model: a text of about 130 bytes that names the file
which should be there.

## Why it matters
There are no weights. It happens when a repository is cloned without `git lfs`, with
`GIT_LFS_SKIP_SMUDGE=1`, or downloaded as an archive from its web page. `torch.load` says
`Unsupported operand 118` or `invalid load key, 'v'`, which helps nobody.

## Example
```
version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 133508840
```

## What to do
In the clone: `git lfs install`, then `git lfs pull`. In an image or a CI job, install git-lfs before
the clone; with a checkout step, switch on its LFS option.

## Limits
Only the pointer is read: whether the file it stands for is a model, or exists, is not known.

## References
The Git LFS pointer file specification, version 1: the lines `version`, `oid` and `size`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  if (artifact.format != Format::kLfsPointer) return {};
  const LfsPointer pointer = artifact.lfs_pointer.value_or(LfsPointer{});
  Finding finding;
  finding.message = pointer.size ? fmt::format(
                                       "a Git LFS pointer of {} bytes stands in for a file "
                                       "of {} bytes",
                                       artifact.source.size, *pointer.size)
                                 : "a Git LFS pointer stands in for the file";
  if (!pointer.oid.empty()) {
    finding.evidence.push_back({"bytes", "the pointer names " + pointer.oid});
  }
  return {finding};
}

}  // namespace

extern constexpr Rule FMT002 = define_rule({
    .code = "FMT002",
    .name = "lfs-pointer",
    .summary = "a Git LFS pointer lies where the model should be",
    .why = "there are no weights here: loading fails with a message about something else",
    .help = "run `git lfs install` and `git lfs pull` in the clone that the file comes from",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
