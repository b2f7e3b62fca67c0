#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Compares the index of a sharded checkpoint, or the metadata of a distributed one, with its shards: names that the index expects in a shard and
that are not there, names in a shard that the index does not map to it, a name in two shards, shards of
the same set that the index does not know, and a total size that is not that of the tensors (a warning). In a distributed checkpoint also chunks without
a place in any file, items of another type or shape than the metadata says, items that lie over each
other, metadata that torch does not write, and files of an earlier save that nothing names (a warning).

## Why it matters
The loader goes by the index: what it does not map is never loaded, and what it maps wrongly is missing.
Mostly two saves were mixed: shards of an older, larger or smaller model stayed in the folder.

## Example
```
model-00003-of-00003.safetensors: the index and this shard disagree
  because  the index expects `h.5.mlp.w` in this shard, which does not hold them
```

## What to do
Save the model again into an empty folder, or fetch index and shards from one revision.

## Limits
The total size is compared only when every shard could be read. Loaders ignore it, so a wrong one is a
warning.

## References
`total_size` is the sum of the bytes of the tensors, as `transformers` 5 and `huggingface_hub` write it.
)md";

constexpr std::array kNames = {ErrorCode::kIndexDisagrees, ErrorCode::kDcpBadMetadata};
constexpr std::array kTotal = {ErrorCode::kIndexTotal};
constexpr std::array kStale = {ErrorCode::kIndexStale};
constexpr std::array kAll = {ErrorCode::kIndexDisagrees, ErrorCode::kDcpBadMetadata,
                             ErrorCode::kIndexTotal, ErrorCode::kIndexStale};

void add_warnings(std::vector<Finding> warnings, std::string_view key,
                  std::vector<Finding>& findings) {
  for (Finding& finding : warnings) {
    finding.severity = Severity::kWarning;
    finding.key = key;
    findings.push_back(std::move(finding));
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kNames, [](const std::string& member, const Fault&) {
        return member.empty() ? "the index is not sound" : "the index and this file disagree";
      });
  const auto total = [](const std::string&, const Fault&) {
    return "the total size in the index is wrong";
  };
  const auto stale = [](const std::string& member, const Fault&) {
    return fmt::format("`{}` is left of an earlier save", member);
  };
  add_warnings(findings_of_faults(artifact, kTotal, total), "total", findings);
  add_warnings(findings_of_faults(artifact, kStale, stale), "stale", findings);
  return findings;
}

}  // namespace

extern constexpr Rule FMT009 = define_rule({
    .code = "FMT009",
    .name = "index-disagrees",
    .summary = "the index of a sharded checkpoint and its files tell different things",
    .why = "the loader goes by the index: what it does not name is not loaded, what it names "
           "wrongly is missing",
    .help = "save into an empty folder, or fetch index and shards of one revision",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kAll,
    .check = check,
});

}  // namespace torchvet::rules
