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
Reports a checkpoint of a run on several ranks in which the states of some of them are missing:
`rng_state_0.pth` and `rng_state_2.pth` without `rng_state_1.pth`, `random_states_N.pkl` of Accelerate,
or keys and lists of random number states in one file that are fewer than its `world_size`.

## Why it matters
A rank that does not find its state goes on with other random numbers than it would have had; others
fail. Most often the ranks wrote to different disks, or a copy was not complete.

## Example
```
rng_state_*.pth: ranks 0 and 2 are there, rank 1 is missing
```

## What to do
Copy the missing files from where their ranks wrote them, or resume without them knowingly.

## Limits
Within one file `world_size` or `num_processes` tells how many ranks there were, where it is there. Else,
and in a folder, only a gap between two ranks is seen, because each machine may have saved the states of
its own ranks. Only states of random numbers are looked at.

## References
`transformers.Trainer._save_rng_state`; `accelerate.checkpointing.save_accelerator_state`.
)md";

std::string ranks_text(const std::vector<std::uint64_t>& ranks) {
  constexpr std::size_t kShown = 5;
  const std::size_t shown = std::min(ranks.size(), kShown);
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  text += fmt::format("{}", fmt::join(ranks.begin(), ranks.begin() + shown, ", "));
  if (ranks.size() > shown) text += fmt::format(" and {} more", ranks.size() - shown);
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const MissingRanks& ranks : missing_ranks(artifact)) {
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.key = ranks.what;
    finding.message =
        fmt::format("of `{}`, the state of {} is missing", ranks.what, ranks_text(ranks.missing));
    finding.evidence.push_back(
        {"optimizer", fmt::format("{} {} there", ranks_text(ranks.present),
                                  ranks.present.size() == 1 ? "is" : "are")});
    finding.evidence.push_back({"optimizer", ranks.proof});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule RES003 = define_rule({
    .code = "RES003",
    .name = "rank-state-missing",
    .summary = "states of some ranks of a run are missing",
    .why = "a rank without its state goes on with other random numbers, or fails",
    .help = "copy the missing states from where their ranks wrote them",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
