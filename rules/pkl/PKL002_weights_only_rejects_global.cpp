#include <fmt/format.h>

#include <algorithm>

#include "model/pickle_reports.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file of `torch.save` that `torch.load(weights_only=True)` refuses because its pickle imports names that
are not allowed by default, lists all of these names (torch's own message tells the first only), and prints the
line that allows them.

It is predicted for the torch of `--target-torch`, 2.13 if that is not given, by an own copy of torch's restricted
unpickler; nothing is imported. A file in which PKL001 finds calls that no checkpoint needs gets no such line, and
one that holds a whole module is left to PKL004.

## Why it matters
`weights_only=True` is the default since torch 2.6. Whoever loads the file gets an `UnpicklingError`, and is
tempted to switch the protection off.

## Example
```
import argparse, torch
torch.save({"model": model.state_dict(), "args": argparse.Namespace(lr=0.1)}, "checkpoint.pt")
```

## What to do
Save plain values: `vars(args)` instead of `args`, `float(x)` instead of a numpy scalar, a list instead of a numpy
array, `.state_dict()` instead of the object. For files that exist, and that you trust, allow the names with
`torch.serialization.add_safe_globals`, as the finding prints it, and save them again.

No such line is printed where none would help: an instance of a subclass of dict or list with contents (or a
`defaultdict`, a `deque`) is refused whatever is allowed, names of `os`, `sys`, `posix` and `nt` can never be
allowed, and `getattr` would allow everything. For numpy's arrays and numbers, torch asks for one more name that is
nowhere in the file, as `numpy.dtypes.Float64DType`; the line has it.

## Limits
With `--for resume` it is a note: the run that goes on from a checkpoint wrote it, and its code knows what it has to
allow. Names that a program allows before it loads are not known here, nor those that an import allows, but for what
`import torch` allows itself. Releases between 2.6, 2.9, 2.13 and 2.15 are judged where both neighbours agree;
older and newer ones are not.

## References
torch's documentation of `torch.load`, and of `torch.serialization.add_safe_globals`; `torch/_weights_only_unpickler.py`.
)md";

/// Where the names are imported, in the order of the file, each once.
std::vector<Evidence> imports_of(const Artifact& artifact, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::vector<Evidence> evidence;
  std::vector<std::string_view> open(names.begin(), names.end());
  for (const PickleProgram& pickle : artifact.pickles) {
    for (const PickleProgram::Import& import : pickle.imports) {
      const std::string name = shown_name(import);
      const auto found = std::find(open.begin(), open.end(), name);
      if (found == open.end()) continue;
      open.erase(found);
      evidence.push_back(
          {"pickle", fmt::format("imports `{}` at bytes {}..{} of {}", name, import.where.offset,
                                 import.where.offset + import.where.length, pickle.name)});
      if (evidence.size() < kShown || open.empty()) continue;
      evidence.push_back({"pickle", fmt::format("and {} more names", open.size())});
      return evidence;
    }
  }
  return evidence;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  constexpr std::size_t kInMessage = 3;
  const LoaderPrediction* said = refused_by_weights_only(artifact);
  if (said == nullptr || said->names.empty()) return {};
  Finding finding;
  // A run goes on from what it saved itself: its own code knows what it has to allow.
  finding.severity = intent.purpose == Purpose::kResume ? Severity::kNote : Severity::kWarning;
  finding.where.member = artifact.pickles.front().name;
  finding.message = fmt::format("torch.load(weights_only=True) does not allow {}",
                                listed_names(said->names, kInMessage));
  finding.evidence = imports_of(artifact, said->names);
  if (!said->remedy.empty()) finding.help = said->remedy;
  return {finding};
}

}  // namespace

extern constexpr Rule PKL002 = define_rule({
    .code = "PKL002",
    .name = "weights-only-rejects-global",
    .summary = "torch.load(weights_only=True) refuses names that the pickle imports",
    .why = "weights_only=True is torch's default, and the file does not load with it",
    .help = "save only tensors, numbers, texts, lists and dicts",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kLoaders,
    .doc = kDoc,
    .check = check,
    .loader = kWeightsOnlyLoader,
});

}  // namespace torchvet::rules
