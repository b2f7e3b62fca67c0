#include "model/pickle_reports.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file of Python's `torch.save` that `torch::pickle_load` of LibTorch, the C++ library, cannot read:
its unpickler turns an `OrderedDict` into nothing, and every `state_dict()` is one; it takes protocol 2 only, no
sets and no bytes, no integers beyond 32 bits but those of exactly 8 bytes, and a short list of names.

Most files of Python are like that and are none the worse for it, so this rule is in preview: it runs with
`--preview` or `--select PKL010`.

## Why it matters
A C++ program that loads the file ends with `Expected GenericDict but got None`, or with `Unpickler found unknown
type`, neither of which says what to do.

## Example
```
torch.save(model.state_dict(), "weights.pt")        // torch::pickle_load(bytes) throws
```

## What to do
Save a plain dict, `torch.save(dict(model.state_dict()), path)`; or the whole program with `torch.jit.save`, which
`torch::jit::load` reads.

## Limits
`torch::jit::load` and `torch::load` read TorchScript archives only, never a file of Python's `torch.save`.

## References
`torch/csrc/jit/serialization/unpickler.cpp`; measured with LibTorch 2.13.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const LoaderPrediction* said = prediction_of(artifact, kPickleLoader);
  const bool refused =
      said != nullptr && said->opens == false &&
      (said->problem == LoadProblem::kConstruct || said->problem == LoadProblem::kOpcode);
  if (!refused || artifact.format != Format::kTorchZip || artifact.pickles.empty() || holds_whole_module(artifact) || does_more_than_load(artifact)) return {};
  Finding finding;
  finding.severity = Severity::kNote;
  finding.where.member = artifact.pickles.front().name;
  finding.message = "torch::pickle_load of LibTorch cannot read the file";
  finding.evidence.push_back({"pickle", "LibTorch says: " + said->error});
  return {finding};
}

}  // namespace

extern constexpr Rule PKL010 = define_rule({
    .code = "PKL010",
    .name = "libtorch-cannot-read",
    .summary = "LibTorch's torch::pickle_load cannot read the file",
    .why = "a C++ program that loads it gets an exception",
    .help = "save a plain dict of tensors for C++, or a TorchScript program",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kMedium,
    .needs = Needs::kLoaders,
    .status = Status::kPreview,
    .doc = kDoc,
    .check = check,
    .loader = kPickleLoader,
});

}  // namespace torchvet::rules
