#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/resume.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a key of a checkpoint that is one letter away from the key that loaders look for, while the
right one is absent and the value is what would stand there: `optimizer_state_dit`. In a checkpoint
that is a folder it looks at the names of the files in the same way.

## Why it matters
Loaders that ask `if "optimizer_state_dict" in checkpoint` go on without the part, and say nothing; the
others fail with a KeyError after hours of training that cannot be picked up.

## Example
```
`optimizer_state_dit` where `optimizer_state_dict` should be
```

## What to do
Rename the key in the code that saves, and in the file:
`checkpoint["optimizer_state_dict"] = checkpoint.pop("optimizer_state_dit")`.

## Limits
One letter more, less, other, or two that changed places. Plurals, numbers, signs, capitals, a letter
before or after a word (`model_g`), other spellings (`optimiser`) and words of their own (`mode`,
`schedule`) are names that somebody meant. Code that saves and loads under the same wrong name works:
then this says only that nobody else will find the part.

## References
"Saving & Loading a General Checkpoint" in torch's tutorials, for the usual names.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const NearMiss& miss : near_misses(artifact)) {
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.key = miss.found;
    finding.message = fmt::format("the {} `{}` is one letter away from `{}`, which is absent",
                                  miss.file ? "file" : "key", miss.found, miss.meant);
    if (miss.file) {
      finding.where.member = miss.found;
      finding.help = fmt::format("rename the file to `{}`", miss.meant);
    } else {
      finding.where.object_path =
          miss.place.empty() ? miss.found : fmt::format("{}.{}", miss.place, miss.found);
      finding.help =
          fmt::format("rename the key to `{}` in the file and in the code that saves", miss.meant);
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule RES002 = define_rule({
    .code = "RES002",
    .name = "near-miss-key",
    .summary = "a key or a file is one letter away from the name that loaders look for",
    .why = "a loader does not find the part, and many go on without it and say nothing",
    .help = "rename it in the file and in the code that saves",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
