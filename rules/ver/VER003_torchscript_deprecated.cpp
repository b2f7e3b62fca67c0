#include <optional>

#include "model/torch_release.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Says once for a file that it is TorchScript, and that torch advises against TorchScript. A preview: it
runs only when it is selected by its own code or name.

## Why it matters
torch still loads such files, but develops TorchScript no further: since 2.10 `torch.jit.script`,
`trace`, `save` and `load` warn that they are deprecated and point to `torch.compile` and
`torch.export`. What newer models need will not come to it.

## Example
```sh
torchvet check --extend-select VER003 models/      # which of these are still TorchScript?
```

## What to do
Export the model with `torch.export.export` and `torch.export.save`; for phones, ExecuTorch.

## Limits
It holds for every TorchScript file, so it tells nothing about one of them, and a report on a folder of
sound programs would be full of it: that is why it has to be asked for. It never makes the exit code
other than 0 unless `--fail-on note` says so. With a `--target-torch` below 2.10 it is silent.

## References
`torch.jit.script` and `torch.export` in the documentation of torch.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (!artifact.script) return {};
  const std::optional<TorchRelease> target = release_from_text(intent.target_torch);
  if (target && *target < TorchRelease{2, 10}) return {};
  Finding finding;
  finding.severity = Severity::kNote;
  finding.message = "a TorchScript program, which torch advises against since 2.10";
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule VER003 = define_rule({
    .code = "VER003",
    .name = "torchscript-deprecated",
    .summary = "the program is in TorchScript, which torch no longer develops",
    .why = "torch loads it with a warning, and new kinds of models cannot be saved this way",
    .help = "export the model with torch.export",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .status = Status::kPreview,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
