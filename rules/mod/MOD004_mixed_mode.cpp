#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/module_queries.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a model in which some of the layers that depend on the mode (dropout, batch norm with
statistics, RReLU) are in training mode and others in eval mode, when freezing does not explain it.

## Why it matters
Somebody called `.eval()` or `.train()` on a part of the model and forgot the rest. Whichever mode
was meant, one part of the model does not behave that way.

## Example
```python
model.eval()
model.head.train()                     # for one experiment
torch.save(model, "model.pt")          # MOD004: head.drop trains, encoder.drop does not
```

## What to do
Call `.eval()` (or `.train()`) on the whole model just before saving.

## Limits
Fine-tuning keeps frozen layers in eval mode: silent where each layer in eval mode is frozen itself
(batch norm whose weight and bias need no gradient) or lies in a part of the model without a
trainable parameter, while something else is trainable. Dropout left on for Monte Carlo sampling
looks like the bug and is reported.

A model that is wholly in training mode is MOD001's alone, and so is any other class that reads
`training`. In a scripted program both rules fire: MOD001 says that a flag which is true is read,
this one that the flags disagree. A pickled module whose root is in eval mode is MOD004's alone. In
a trace no flag has an effect, and a program without flags (`torch.jit.freeze`) has no mode: silent.

## References
`torch.nn.Module.train`, `torch.nn.Module.eval`.
)md";

constexpr std::size_t kMaxNamed = 6;

/// Which modules hold parameters, and whether any of them is trained, with all registered below.
struct Trainability {
  std::vector<bool> has_parameters, trainable;

  explicit Trainability(const Artifact& artifact)
      : has_parameters(artifact.modules.size()), trainable(artifact.modules.size()) {
    // A parent always comes before its children.
    for (ModuleId id = static_cast<ModuleId>(artifact.modules.size()); id-- > 0;) {
      const Module& module = artifact.modules[id];
      for (const ModuleTensor& parameter : module.parameters) {
        if (!parameter.tensor) continue;
        has_parameters[id] = true;
        if (artifact.tensors[*parameter.tensor].requires_grad) trainable[id] = true;
      }
      if (!module.parent || module.registration != Registration::kRegistered) continue;
      if (has_parameters[id]) has_parameters[*module.parent] = true;
      if (trainable[id]) trainable[*module.parent] = true;
    }
  }

  /// The module or one around it is wholly frozen, and the model is not.
  [[nodiscard]] bool frozen_part(const Artifact& artifact, ModuleId id) const {
    bool frozen = false;
    for (std::optional<ModuleId> at = id; at; at = artifact.modules[*at].parent) {
      if (!artifact.modules[*at].parent) return frozen && trainable[*at];
      frozen = frozen || (has_parameters[*at] && !trainable[*at]);
    }
    return false;
  }
};

/// Modules whose `training` some method of a program reads; none when there is no graph.
std::optional<std::unordered_set<std::string>> flags_read(const Artifact& artifact) {
  if (artifact.graphs.empty()) return std::nullopt;
  std::unordered_set<std::string> read;
  for (const Graph& graph : artifact.graphs) {
    read.insert(graph.facts.training_flags_read.begin(), graph.facts.training_flags_read.end());
  }
  return read;
}

/// The layers of one model that depend on the mode, by their mode.
struct Modes {
  std::vector<std::string> training, eval;
  bool explained = true;  ///< every layer in eval mode lies in a frozen part
};

std::string name_of_layer(const Module& module) {
  return fmt::format("`{}` ({})", module.path.empty() ? "the root" : module.path,
                     module.class_name.substr(module.class_name.rfind('.') + 1));
}

std::vector<Modes> modes_by_top(const Artifact& artifact) {
  const Trainability trainability(artifact);
  const auto read = flags_read(artifact);
  std::vector<Modes> modes(artifact.modules.size());
  for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
    const Module& module = artifact.modules[id];
    if (!module.training || module.registration != Registration::kRegistered) continue;
    if (!depends_on_mode(artifact, module)) continue;
    if (read && !read->contains(module.path.empty() ? "training" : module.path + ".training")) {
      continue;
    }
    Modes& model = modes[top_of(artifact, id)];
    (*module.training ? model.training : model.eval).push_back(name_of_layer(module));
    if (!*module.training && !trainability.frozen_part(artifact, id)) model.explained = false;
  }
  return modes;
}

std::string listed(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMaxNamed);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  if (artifact.script && artifact.script->traced) return {};
  std::vector<Finding> findings;
  const std::vector<Modes> modes = modes_by_top(artifact);
  for (ModuleId top = 0; top < modes.size(); ++top) {
    const auto& [training, eval, explained] = modes[top];
    if (training.empty() || eval.empty() || explained) continue;
    Finding finding;
    finding.confidence = Confidence::kMedium;
    finding.where.object_path = artifact.modules[top].path;
    finding.message = fmt::format(
        "{} of {} layers that depend on the mode {} in training mode, the others in "
        "eval mode",
        training.size(), training.size() + eval.size(), training.size() == 1 ? "is" : "are");
    finding.severity = Severity::kWarning;
    finding.evidence.push_back({"module", fmt::format("in training mode: {}", listed(training))});
    finding.evidence.push_back({"module", fmt::format("in eval mode: {}", listed(eval))});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule MOD004 = define_rule({
    .code = "MOD004",
    .name = "mixed-mode",
    .summary = "some layers that depend on the mode are in training mode, others in eval mode",
    .why = "whichever mode was meant, a part of the model does not behave that way",
    .help = "call .eval() (or .train()) on the whole model before saving",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .judges_without_program = true,
});

}  // namespace torchvet::rules
