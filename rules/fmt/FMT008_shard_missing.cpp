#include <array>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a shard that the index of a sharded checkpoint names and that is not beside it, and one in whose
place something else lies: a Git LFS pointer, a web page, another format. Also shards that lie beside each
other without an index: `from_pretrained` looks for the index, not for them. Of DeepSpeed: files of ranks that
`partition_count` or `dp_world_size` in the other files count and that are not there, and a `latest` that names
a folder which is not beside it.

## Why it matters
Loading fails, or worse: some loaders only warn about missing names and leave those layers as they were
initialised. The usual causes are an interrupted download and a copy that left out a file.

## Example
```
model-00002-of-00004.safetensors: the shard is missing
  because  the shard is missing (No such file or directory); 12 tensors should be in it: `h.3.w`, ...
```

## What to do
Fetch the file again, or the index. When the checkpoint was sharded anew, remove the old index and shards first.

## Limits
It looks beside the index only; in a training checkpoint that is a folder, at the parts that are there.
One shard that lies alone is not judged.
Whether a shard is whole is said by FMT001, whether it holds what the index expects by FMT009.

## References
The layout of sharded checkpoints as the Hugging Face libraries write it: `weight_map` of
`model.safetensors.index.json` and `pytorch_model.bin.index.json`. DeepSpeed's names of files, and what its
`zero_to_fp32.py` asks of them.
)md";

constexpr std::array kCodes = {ErrorCode::kShardMissing, ErrorCode::kShardReplaced,
                               ErrorCode::kIndexMissing};
constexpr std::array kNoIndex = {ErrorCode::kIndexMissing};
constexpr std::array kNoShard = {ErrorCode::kShardMissing, ErrorCode::kShardReplaced};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const bool folder = artifact.format == Format::kTrainingFolder;
  std::vector<Finding> findings =
      findings_of_faults(artifact, kNoShard, [&](const std::string&, const Fault& fault) {
        if (artifact.format == Format::kCheckpointPointer) {
          return "the folder that the file names is missing";
        }
        if (fault.error.code == ErrorCode::kShardMissing) return "the shard is missing";
        return folder ? "the file is something else" : "the shard is something else";
      });
  if (artifact.format == Format::kCheckpointPointer) {
    for (Finding& finding : findings) {
      finding.why = "a run that goes on from here does not find its checkpoint";
      finding.help = "copy the folder to the file, or write the name of one that is there into it";
    }
  }
  for (Finding& finding :
       findings_of_faults(artifact, kNoIndex, [](const std::string&, const Fault&) {
         return "the index of the shards is missing";
       })) {
    finding.why = "from_pretrained looks for the index and finds no weights";
    finding.help = "copy the index to its shards, or save the model again with save_pretrained";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT008 = define_rule({
    .code = "FMT008",
    .name = "shard-missing",
    .summary = "a shard that an index names is missing, or something else lies in its place",
    .why = "loading fails, or leaves the layers in it as they were initialised",
    .help = "fetch or copy the shard again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
