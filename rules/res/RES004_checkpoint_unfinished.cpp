#include <string>
#include <vector>

#include "model/resume.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a checkpoint that is a folder and lacks the file that is written last: `trainer_state.json` of
the Trainer of transformers, `random_states_0.pkl` of Accelerate, `.metadata` of
torch.distributed.checkpoint.

## Why it matters
The save was interrupted: the disk was full, or the job was killed. Trainer does not resume from such a
folder, or resumes at step 0; the file before the last may be cut off as well. Without `.metadata` nothing says
which tensors lie where in the `.distcp` files. A copy that leaves out names with a dot in front
(`cp source/* target/`) loses it, too.

## Example
```
checkpoint-500: model.safetensors, optimizer.pt, scheduler.pt, rng_state.pth; no trainer_state.json
```

## What to do
Go back to the checkpoint before it, and delete this one.

## Limits
A folder is recognised by two or more parts under the names that these libraries use. A file that was
cut off is FMT001's.

## References
`transformers.Trainer._save_checkpoint`; `accelerate.checkpointing.save_accelerator_state`;
`torch.distributed.checkpoint.FileSystemWriter.finish`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::string proof = unfinished_save(artifact);
  if (proof.empty()) return {};
  Finding finding;
  finding.severity = Severity::kError;
  finding.message = "the save of this checkpoint was not finished";
  finding.evidence.push_back({"bytes", std::move(proof)});
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule RES004 = define_rule({
    .code = "RES004",
    .name = "checkpoint-unfinished",
    .summary = "the save of a checkpoint ended before its last file",
    .why = "a run cannot go on from it, or starts at step 0 again",
    .help = "go back to the checkpoint before it",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
