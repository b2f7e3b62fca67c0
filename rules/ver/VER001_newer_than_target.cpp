#include <fmt/format.h>

#include <optional>
#include <string>

#include "model/torch_release.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
With `--target-torch`: reports programs in a file format that this torch does not read. For TorchScript
that is the number in the archive's `version`, for `torch.export` the layout of the archive and the
major number of its schema.

## Why it matters
`torch.jit.load` ends with "Attempted to read a PyTorch file with version 10, but the maximum supported
version for reading is 9"; `torch.export.load` finds no `version` or no weights, or refuses the schema.

## Example
```sh
torchvet check --target-torch 2.7 model.pt2      # saved with torch 2.13: needs 2.9
```

## What to do
Save the program with the target torch, or with one not newer; or bring the target up to date.

## Limits
Only what the published releases show. TorchScript: 1.12 and later read up to version 10, 1.11 and
earlier at most 9; a lower number says nothing about them. The version depends on the operators: a file
of the newest torch has version 3 when nothing in it asks for more. `torch.export`: the layout with
`models/` is read since 2.8, weights with a config since 2.9, schema 8 from then to 2.13. Files in the
older layout, in formats of the target's own age, and targets newer than 2.13 are silent. That a file
is in a format that the target reads does not mean that it runs there: see VER002.

## References
`caffe2/serialize/versions.h`, `torch/_export/serde/schema.py` and `torch/export/pt2_archive` in the
wheels of torch 1.11 to 2.13.
)md";

Finding finding_of(std::string message, std::string evidence) {
  Finding finding;
  finding.message = std::move(message);
  finding.evidence.push_back({"bytes", std::move(evidence)});
  return finding;
}

std::optional<Finding> check_script(const Artifact& artifact, TorchRelease target) {
  const std::int64_t newest = target < TorchRelease{1, 12} ? 9 : 10;
  const std::int64_t version = artifact.script->version;
  if (version <= newest) return std::nullopt;
  return finding_of(fmt::format("TorchScript archive of version {}, which torch {} does not read",
                                version, to_text(target)),
                    fmt::format("it reads {} {}", newest == 10 ? "up to" : "at most", newest));
}

bool has_member(const Artifact& artifact, const std::string& ending) {
  for (const Member& member : artifact.members) {
    if (member.name.ends_with(ending)) return true;
  }
  return false;
}

std::optional<Finding> check_exported(const Artifact& artifact, TorchRelease target) {
  const ExportedInfo& info = *artifact.exported;
  if (info.models.empty() || info.older_layout) return std::nullopt;
  const std::string config = "data/weights/" + info.models.front() + "_weights_config.json";
  const bool has_config = has_member(artifact, config);
  const TorchRelease needed = has_config ? TorchRelease{2, 9} : TorchRelease{2, 8};
  const std::string writer =
      info.torch_version.empty() ? std::string()
                                 : fmt::format("; written by torch {}", info.torch_version);
  if (target < needed) {
    return finding_of(
        fmt::format("torch.export archive in a layout that torch {} does not read", to_text(target)),
        fmt::format("`{}` is read since torch {}{}",
                    has_config ? config : "models/" + info.models.front() + ".json",
                    to_text(needed), writer));
  }
  constexpr std::int64_t kSchema = 8;
  if (info.schema_major <= kSchema) return std::nullopt;
  return finding_of(fmt::format("torch.export program of schema {}.{}, which torch {} does not read",
                                info.schema_major, info.schema_minor, to_text(target)),
                    fmt::format("it reads schema {}{}", kSchema, writer));
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  const std::optional<TorchRelease> target = release_from_text(intent.target_torch);
  if (!target || *target > kNewestTorch) return {};
  std::optional<Finding> found;
  if (artifact.script) found = check_script(artifact, *target);
  if (artifact.exported) found = check_exported(artifact, *target);
  if (!found) return {};
  return {std::move(*found)};
}

}  // namespace

extern constexpr Rule VER001 = define_rule({
    .code = "VER001",
    .name = "newer-than-target",
    .summary = "the file is in a newer format than the target torch reads",
    .why = "the target torch refuses to load it",
    .help = "save the program with the target torch or an older one, or update the target",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
