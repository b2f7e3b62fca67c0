#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "model/name_groups.h"
#include "model/never_trained.h"
#include "model/weights.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Recognises parameters that were never trained by their numbers alone. torch's generator draws from a
grid that shows in float32: an untouched weight lies on it bit for bit, and the first gradient step
takes it off. Norm layers are recognised by their exact defaults, weight all 1 and bias all 0, when
others of the model have moved. What an optimizer in the same file says is joined to it.

## Why it matters
Such a layer computes with random weights. Often it is never used: registered, and left out of
`forward()`. Or it was not given to the optimizer. Or its weights were lost on the way: a layer whose
name does not match when weights are loaded (`strict=False`, "newly initialized" in transformers)
keeps a fresh initialisation, which shows the same mark.

## Example
```python
model.load_state_dict(weights, strict=False)   # the keys say `head.`, the model `classifier.`
torch.save(model.state_dict(), "tuned.pt")     # REG006: `classifier` was never trained
```
CHGNet's published checkpoints hold a layer that was registered and never used.

## What to do
Look for the module in `forward()`, in the list that the optimizer got, and among the keys that
loading called missing. If it is not needed, delete it.

## Limits
A warning takes proof that the file was trained: an optimizer that took at least ten steps, or norm
layers that moved. Without it, a note, as where SGD holds a gradient of the parameter, for it counts no steps and may
have taken a few that are lost in rounding; one note for the whole file when most of its matrices are untouched, as in
a file saved before training, and nothing for a toy model (fewer than 4096 untouched numbers). A norm
layer is reported alone only where others moved. Parameters that are frozen while others learn are a
note.

Only parameters named as torch.nn names them are judged (`weight`, `bias`, `weight_ih_l0`,
`in_proj_weight`): random features kept in buffers are random on purpose. A buffer called `weight`
cannot be told from a parameter in a state_dict. Silent by nature: fewer than 64 numbers (uniform
draws) or 1024 (normal ones), types other than float32, numbers rounded to 16 bits, orthogonal_, gains
and bounds of one's own, draws that were transposed or averaged, and normal draws made on a GPU. A
tensor whose gradient was exactly zero holds the mark as well, with reason.

## References
`torch.nn.init`; the generators of ATen. Measured on torch 1.13, 2.4 and 2.13: of fresh tensors of
1024 numbers and more all are recognised, of uniform ones of 64 to 255 nine in ten. False hits: none
among 3456 trained tensors (10 steps or more) and none among 1267 in 28 published files; norm layers
at their defaults: none of 540 that were used, four of four that were not.
)md";

constexpr std::uint64_t kFewestElements = 4096;  ///< untouched, for a note on a whole file
constexpr std::uint64_t kFewestMatrices = 2;
constexpr std::size_t kMaxNamed = 8;

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  want_training_marks(artifact, plan);
  return plan;
}

std::string text_of(const Artifact& artifact, const MarkedParameter& parameter) {
  const Tensor& tensor = artifact.tensors[parameter.entry.tensor];
  std::string text =
      fmt::format("`{}` [{}]: ", parameter.entry.name, fmt::join(tensor.shape, ", "));
  if (parameter.mark == TrainingMark::kDefault) {
    text += fmt::format("all {:.4g}, as a norm layer begins", tensor.values->first);
  } else {
    const FingerprintEvidence& mark = *tensor.values->fingerprint;
    if (mark.kind == InitFingerprint::kUniform) {
      text += fmt::format("all {} small numbers are ones that uniform_(-{:.4g}, {:.4g}) draws",
                          mark.tested, mark.bound, mark.bound);
    } else if (mark.kind == InitFingerprint::kNormal) {
      text += fmt::format("{} of {} pairs of numbers are ones that normal_ draws", mark.matched,
                          mark.tested);
    } else {
      text += fmt::format("{} of {} small numbers are ones that trunc_normal_ draws", mark.matched,
                          mark.tested);
    }
  }
  switch (parameter.gradient) {
    case GradientWitness::kSilent: break;
    case GradientWitness::kNone: text += "; the optimizer says that no gradient reached it"; break;
    case GradientWitness::kReached:
    case GradientWitness::kReachedUncounted:
      text += "; the optimizer holds a gradient of it: its steps were lost in rounding or had a "
              "learning rate of 0, or these are not the weights that it stepped";
      break;
  }
  return text;
}

/// Parameters of one module, none of which was trained.
struct Untouched {
  std::string module;
  std::vector<const MarkedParameter*> parameters;

  [[nodiscard]] bool any_drawn() const {
    return std::any_of(parameters.begin(), parameters.end(), [](const MarkedParameter* parameter) {
      return parameter->mark == TrainingMark::kDrawn;
    });
  }
  [[nodiscard]] bool all_frozen() const {
    return std::all_of(parameters.begin(), parameters.end(),
                       [](const MarkedParameter* parameter) { return parameter->frozen; });
  }
  /// By an optimizer that may have taken but a few small steps.
  [[nodiscard]] bool all_reached() const {
    return std::all_of(parameters.begin(), parameters.end(), [](const MarkedParameter* parameter) {
      return parameter->gradient == GradientWitness::kReachedUncounted;
    });
  }
};

std::vector<Untouched> untouched_modules(const TrainingMarks& marks) {
  std::vector<MarkedName> names;
  for (const MarkedParameter& parameter : marks.parameters) {
    names.push_back({parameter.entry.name, parameter.mark != TrainingMark::kMoved});
  }
  std::vector<Untouched> modules;
  for (NameGroup& group : group_marked(names)) {
    Untouched module{std::move(group.module), {}};
    for (const std::size_t member : group.members) {
      module.parameters.push_back(&marks.parameters[member]);
    }
    // Where no norm layer moved, all of them may have been left at their defaults on purpose.
    if (module.any_drawn() || marks.moved_norms > 0) modules.push_back(std::move(module));
  }
  return modules;
}

Finding module_finding(const Artifact& artifact, const StateDict& state, const TrainingMarks& marks,
                       const Untouched& module) {
  Finding finding;
  const bool sure = marks.trained && !module.all_frozen() && !module.all_reached();
  finding.severity = sure ? Severity::kWarning : Severity::kNote;
  finding.confidence =
      marks.trained && module.any_drawn() ? Confidence::kHigh : Confidence::kMedium;
  if (module.parameters.size() == 1) {
    const StateEntry& entry = module.parameters.front()->entry;
    finding.where = location_of(artifact, artifact.tensors[entry.tensor]);
    finding.message = fmt::format("`{}` was never trained", entry.name);
  } else {
    const std::string_view dot = state.path.empty() || module.module.empty() ? "" : ".";
    finding.where.object_path = fmt::format("{}{}{}", state.path, dot, module.module);
    finding.message =
        fmt::format("{} parameters{} were never trained", module.parameters.size(),
                    module.module.empty() ? std::string() : fmt::format(" of `{}`", module.module));
  }
  if (!module.any_drawn()) finding.why = "the layer is not used, or the optimizer was not given it";
  for (const MarkedParameter* parameter : module.parameters) {
    if (finding.evidence.size() == kMaxNamed) break;
    finding.evidence.push_back({"values", text_of(artifact, *parameter)});
  }
  if (module.all_frozen()) {
    finding.evidence.push_back(
        {"tensor", "frozen: it takes no gradient, while others of the model do"});
  } else if (!marks.trained) {
    finding.evidence.push_back(
        {"values", fmt::format("matrices without that mark: {}; nothing proves that they were "
                               "trained for long",
                               marks.moved_matrices)});
  }
  return finding;
}

/// What a file saved before training looks like.
struct Beginning {
  std::uint64_t drawn = 0, moved = 0, elements = 0;
  std::optional<std::string> path;  ///< of the model, when there is only one
  std::vector<Evidence> evidence;

  void add(const Artifact& artifact, const StateDict& state, const TrainingMarks& marks) {
    path = drawn == 0 ? state.path : std::string();
    drawn += marks.drawn_matrices;
    moved += marks.moved_matrices;
    elements += marks.drawn_elements;
    for (const MarkedParameter& parameter : marks.parameters) {
      if (evidence.size() == kMaxNamed / 2) break;
      if (parameter.mark != TrainingMark::kDrawn) continue;
      evidence.push_back({"values", text_of(artifact, parameter)});
    }
  }
};

Finding file_finding(Beginning beginning) {
  Finding finding;
  finding.severity = Severity::kNote;
  finding.confidence = beginning.moved == 0 ? Confidence::kHigh : Confidence::kMedium;
  finding.where.object_path = beginning.path.value_or("");
  finding.message =
      fmt::format("{} of {} weight matrices still hold what their initialisation drew",
                  beginning.drawn, beginning.drawn + beginning.moved);
  finding.evidence = std::move(beginning.evidence);
  finding.why =
      "the file was saved before training, or built anew where weights should have been "
      "loaded";
  finding.help =
      "if it should be trained, save it after training, and look whether its weights "
      "were loaded";
  finding.key = "file";
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  Beginning beginning;
  std::unordered_set<TensorId> told;  // a file may hold one model under several names
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    TrainingMarks marks = training_marks(artifact, state);
    const auto known = [&](const MarkedParameter& parameter) {
      return told.contains(parameter.entry.tensor);
    };
    if (std::any_of(marks.parameters.begin(), marks.parameters.end(), known)) continue;
    for (const MarkedParameter& parameter : marks.parameters) told.insert(parameter.entry.tensor);
    if (!marks.trained && marks.drawn_matrices > marks.moved_matrices) {
      beginning.add(artifact, state, marks);
      continue;
    }
    for (const Untouched& module : untouched_modules(marks)) {
      findings.push_back(module_finding(artifact, state, marks, module));
    }
  }
  if (beginning.drawn >= kFewestMatrices && beginning.elements >= kFewestElements) {
    findings.push_back(file_finding(std::move(beginning)));
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG006 = define_rule({
    .code = "REG006",
    .name = "never-trained",
    .summary = "parameters still hold the numbers that their initialisation gave them",
    .why = "the layer computes with random weights, or is not used at all",
    .help = "look for the module in forward(), in the optimizer's list and among the keys that did "
            "not match when weights were loaded; delete it if it is not needed",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
