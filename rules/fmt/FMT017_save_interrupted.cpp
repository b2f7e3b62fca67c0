#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports an archive that has torch's small records (`version`, `byteorder`) and no `data.pkl`, and one that has
the code of a TorchScript program and no `constants.pkl`.

## Why it matters
`torch.save` or `torch.jit.save` raised an exception midway, mostly because something could not be pickled.
The archive is closed properly all the same, so the file looks whole; often it has replaced the last good
checkpoint. Loading says `failed locating file data.pkl`.

## Example
```
torch.save({"model": model.state_dict(), "lock": threading.Lock()}, "last.pt")   # raises TypeError
```

## What to do
Look for the exception in the log of the job that saved, and go back to the checkpoint before. Save under
another name and rename when the save has finished.

## Limits
A save that was killed leaves no directory: that is FMT001.

## References
Measured with torch 2.13: what is left holds `version`, `byteorder` and `.data/serialization_id`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  if (artifact.format != Format::kTorchZip || artifact.members.empty()) return {};
  const auto has = [&](std::string_view part) {
    return std::any_of(artifact.members.begin(), artifact.members.end(), [&](const Member& member) {
      const std::string_view name = member.name;
      const std::size_t slash = name.find('/');
      return slash != std::string_view::npos &&
             (part.ends_with('/') ? name.substr(slash + 1).starts_with(part)
                                  : name.substr(slash + 1) == part);
    });
  };
  const bool hidden = !has("version");  // as programs have it since the version 6
  if (hidden && !has(".data/version")) return {};
  const bool script = has("code/") && !has("constants.pkl");
  if (has("data.pkl") && !script) return {};
  Finding finding;
  finding.message = script
                        ? "the archive is the begin of a TorchScript program: saving it raised an "
                          "exception midway"
                        : "the archive holds no object: saving it raised an exception midway";
  finding.evidence.push_back(
      {"bytes", fmt::format("it has the member `{}`, which is written last, and no `{}`",
                            hidden ? ".data/version" : "version",
                            script ? "constants.pkl" : "data.pkl")});
  return {finding};
}

}  // namespace

extern constexpr Rule FMT017 = define_rule({
    .code = "FMT017",
    .name = "save-interrupted",
    .summary = "an archive without its main part: saving raised an exception midway",
    .why = "the file cannot be loaded, though the archive is closed properly",
    .help = "find the exception in the log of the job, and use the checkpoint before it",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
