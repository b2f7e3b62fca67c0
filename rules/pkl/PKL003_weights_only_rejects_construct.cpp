#include <fmt/format.h>

#include "model/pickle_reports.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file of `torch.save` that `torch.load(weights_only=True)` refuses although it allows every name that it
comes to: the restricted unpickler knows only a part of the pickle language. It has no opcode of protocols 4 and 5
(`FRAME`, number 149, is what one meets), none for bytes of protocol 3, none for integers of more than 255 bytes;
it appends to lists only, sets items of `dict`, `OrderedDict` and `Counter` only, and knows no persistent object
but a storage. And it takes none of the tar files that torch wrote before 0.1.10, whatever they hold.

It is predicted for the torch of `--target-torch`, 2.13 if that is not given. A file with a worse problem is left to
the rule that tells it: PKL001, PKL004, PKL007.

## Why it matters
`weights_only=True` is the default since torch 2.6. Nothing that a caller can allow makes the file load.

## Example
```
torch.save(model.state_dict(), "model.pt", pickle_protocol=4)
```

## What to do
Load the file once with `weights_only=False`, if you trust it, and save it again with torch's own protocol, 2, as
plain tensors, numbers, texts, lists and dicts.

## Limits
Releases between 2.6, 2.9, 2.13 and 2.15 are judged where both neighbours agree; older and newer ones are not.

## References
torch's documentation of `torch.load`; `torch/_weights_only_unpickler.py`.
)md";

/// Where the opcode comes from, if it comes with a protocol.
std::string protocol_of(const PickleProgram& pickle) {
  constexpr int kOfTorch = 2;
  if (pickle.protocol == kOfTorch) return {};
  if (pickle.protocol < kOfTorch) return ", which is of protocol 0 or 1";
  return fmt::format(", which is of protocol {}", pickle.protocol);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const LoaderPrediction* said = refused_by_weights_only(artifact);
  if (said == nullptr) return {};
  Finding finding;
  finding.severity = Severity::kWarning;
  if (said->problem == LoadProblem::kOpcode) {
    const PickleProgram& pickle = artifact.pickles.front();
    finding.where.member = pickle.name;
    finding.message = fmt::format(
        "torch.load(weights_only=True) does not know an opcode of the pickle{}", protocol_of(pickle));
  } else if (said->problem == LoadProblem::kConstruct) {
    finding.where.member = artifact.pickles.front().name;
    finding.message = "torch.load(weights_only=True) refuses what the pickle builds";
  } else if (said->problem == LoadProblem::kTar) {
    finding.message = "torch.load(weights_only=True) reads no tar file of torch before 0.1.10";
  } else {
    return {};
  }
  finding.evidence.push_back({said->problem == LoadProblem::kTar ? "file" : "pickle",
                              "torch says: " + said->error});
  if (!said->remedy.empty()) finding.help = said->remedy;
  return {finding};
}

}  // namespace

extern constexpr Rule PKL003 = define_rule({
    .code = "PKL003",
    .name = "weights-only-rejects-construct",
    .summary = "torch.load(weights_only=True) refuses an opcode or an object of the pickle, or its format",
    .why = "weights_only=True is torch's default, and nothing that is allowed makes the file load with it",
    .help = "save it again with torch's own protocol, as plain tensors, numbers, texts, lists and dicts",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kLoaders,
    .doc = kDoc,
    .check = check,
    .loader = kWeightsOnlyLoader,
});

}  // namespace torchvet::rules
