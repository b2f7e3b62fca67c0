#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/resume.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Says what a training run that goes on from this checkpoint would not get back: the parameters, the state
of the optimizer, of the learning rate scheduler, of the gradient scaler, how far the run came, the random
numbers. It knows where the parts are in a dict of the author's own, in a `.ckpt` of Lightning, in the
folder `checkpoint-N` of the Trainer of transformers and in the folder that `Accelerator.save_state`
writes.

## Why it matters
A run that goes on without its optimizer starts with cold moments, without its scheduler at the first
learning rate; the loss jumps, and nobody knows why. Without the random numbers it sees other data.

## Example
```
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
RES001: a checkpoint lacks the state of the learning rate scheduler
```

## What to do
Save what is named, and load it again before the run goes on.

## Limits
With `--for resume` it is a warning and asks for all that an exact resume needs. Without, it is a note,
and only for a file that keeps an optimizer and lacks what the file itself shows to be needed: a learning
rate that a scheduler set (`initial_lr`), a switch for half precision, a part of a folder. Random
numbers of Python and numpy are missed only where one of the two is kept. Lightning never saves random
numbers, so they are not missed there. The place within an epoch is not asked for, nor the state of a
data loader. A single part of a checkpoint (`optimizer.pt`) is silent. In a folder of the Trainer or of
Accelerate, what FSDP and DeepSpeed keep in folders of their own is taken as whole. Of a folder of DeepSpeed
itself only the model and the optimizer are asked for.

## References
"Saving & Loading a General Checkpoint" in torch's tutorials; `transformers.Trainer._save_checkpoint`;
`accelerate.Accelerator.save_state`; `lightning.pytorch` "What is in a checkpoint".
)md";

bool is_meant_by(const MissingPart& part, const std::vector<NearMiss>& misses) {
  return std::any_of(misses.begin(), misses.end(), [&](const NearMiss& miss) {
    return part.proof.find("`" + miss.meant + "`") != std::string::npos;
  });
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (intent.purpose == Purpose::kInference || intent.purpose == Purpose::kTraining) return {};
  const bool asked = intent.purpose == Purpose::kResume;
  const ResumeParts parts = resume_parts(artifact);
  if (parts.profile == ResumeProfile::kNone || !artifact.faults.empty()) return {};
  if (!unfinished_save(artifact).empty()) return {};  // says why parts are missing
  if (!asked && !parts.has_optimizer) return {};
  const std::vector<NearMiss> misses = near_misses(artifact);
  std::vector<const MissingPart*> missing;
  for (const MissingPart& part : parts.missing) {
    // What stands there under a name that is nearly right is RES002's.
    if ((asked || part.expected) && !is_meant_by(part, misses)) missing.push_back(&part);
  }
  if (missing.empty()) return {};
  Finding finding;
  finding.severity = asked ? Severity::kWarning : Severity::kNote;
  const std::string_view checkpoint = name_of(parts.profile);
  if (missing.size() == 1) {
    finding.message = fmt::format("{} lacks {}", checkpoint, missing.front()->what);
    finding.key = missing.front()->what;
    if (!missing.front()->proof.empty()) {
      finding.evidence.push_back({"optimizer", missing.front()->proof});
    }
    return {std::move(finding)};
  }
  finding.message =
      fmt::format("{} lacks {} things that a run needs to go on", checkpoint, missing.size());
  for (const MissingPart* part : missing) {
    finding.evidence.push_back(
        {"optimizer",
         fmt::format("it lacks {}{}{}", part->what, part->proof.empty() ? "" : "; ", part->proof)});
  }
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule RES001 = define_rule({
    .code = "RES001",
    .name = "resume-incomplete",
    .summary = "a checkpoint lacks what a run needs to go on",
    .why = "a run that goes on from it is another run than the one that was interrupted",
    .help = "save these parts too, and load them before the run goes on",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
