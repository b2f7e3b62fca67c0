#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "model/module_queries.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a model that is for inference and was saved in training mode, when something in it depends on
the mode: dropout, batch norm, an `if self.training`.

## Why it matters
Dropout drops activations and batch norm uses the statistics of the batch: predictions are random and
depend on what else is in the batch.

## Example
```python
net = torch.jit.script(net)       # net.train() is the default
net.save("net.pt")                # MOD001
```

## What to do
Call `.eval()` before saving. A file that exists can be mended: load it, call `.eval()`, save again.

## Limits
In a scripted program it is an error when a `training` flag that is true makes a difference, a note
when the program is in training mode but nothing depends on the flag: attention without dropout reads
it only to choose a kernel. What a trace does no flag can change: MOD002
reports what it baked. A pickled module is a warning: it may be saved for more training; inside a
training checkpoint it is silent. Quantized models say `training` on leaves whatever the mode; what
counts is whether the flag is read. With `--for training` or `--for resume` this rule is silent.

## References
`torch.nn.Module.eval`, `torch.jit.script`.
)md";

constexpr std::size_t kMaxNamed = 8;

template <typename Names>
std::string listed(const Names& names) {
  const std::size_t shown = std::min<std::size_t>(names.size(), kMaxNamed);
  auto end = names.begin();
  std::advance(end, shown);
  std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

bool bakes_training(const Graph& graph) {
  return std::any_of(
      graph.facts.training_switches.begin(), graph.facts.training_switches.end(),
      [](const TrainingSwitch& found) { return found.state == TrainingSwitch::State::kOn; });
}

std::vector<Finding> check_program(const Artifact& artifact) {
  std::set<std::string> on, read;
  for (const Module& module : artifact.modules) {
    if (module.training != true) continue;
    on.insert(module.path.empty() ? "training" : module.path + ".training");
  }
  bool baked = false;
  const Node* reader = nullptr;
  for (const Graph& graph : artifact.graphs) {
    baked = baked || bakes_training(graph);
    std::optional<NodeId> first;
    for (std::size_t i = 0; i < graph.facts.training_flags_read.size(); ++i) {
      if (!on.contains(graph.facts.training_flags_read[i])) continue;
      read.insert(graph.facts.training_flags_read[i]);
      first = std::min(first.value_or(UINT32_MAX), graph.facts.training_flag_readers[i]);
    }
    if (reader == nullptr && first) reader = &graph.nodes[*first];
  }
  Finding finding;
  if (!read.empty()) {
    finding.where = location_of(*reader);
    finding.message = "the program was saved in training mode";
    finding.evidence.push_back(
        {"graph", fmt::format("true and read by the program: {}", listed(read))});
    return {std::move(finding)};
  }
  if (baked || artifact.graphs.empty() || !on.contains("training")) return {};
  finding.severity = Severity::kNote;
  finding.message = "the program was saved in training mode, but nothing in it depends on that";
  finding.evidence.push_back(
      {"module", fmt::format("`training` is true on {} of {} modules; no operator reads it, and no "
                             "branch on it makes a difference",
                             on.size(), artifact.modules.size())});
  finding.why =
      "harmless, unless this is a trace: noise or a second head of training would be baked into it";
  return {std::move(finding)};
}

std::vector<Finding> check_pickled(const Artifact& artifact) {
  std::vector<Finding> findings;
  std::vector<ModuleId> tops(artifact.modules.size());
  for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
    const Module& module = artifact.modules[id];
    tops[id] = module.parent ? tops[*module.parent] : id;
  }
  for (ModuleId top = 0; top < artifact.modules.size(); ++top) {
    const Module& root = artifact.modules[top];
    if (root.parent || root.training != true) continue;
    std::vector<std::string> layers;
    for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
      const Module& module = artifact.modules[id];
      if (tops[id] != top || module.registration != Registration::kRegistered) continue;
      if (module.training == true && depends_on_mode(artifact, module)) {
        layers.push_back(fmt::format("{} ({})", module.path.empty() ? "the root" : module.path,
                                     module.class_name.substr(module.class_name.rfind('.') + 1)));
      }
    }
    if (layers.empty()) continue;
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.where.object_path = root.path;
    finding.message = "the pickled module was saved in training mode";
    finding.evidence.push_back(
        {"module",
         fmt::format("in training mode, and behaving differently in it: {}", listed(layers))});
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (intent.purpose == Purpose::kTraining || intent.purpose == Purpose::kResume) return {};
  if (artifact.kind == Kind::kTorchScript) return check_program(artifact);
  if (artifact.kind == Kind::kPickledModule) return check_pickled(artifact);
  return {};
}

}  // namespace

extern constexpr Rule MOD001 = define_rule({
    .code = "MOD001",
    .name = "training-mode",
    .summary = "a model that is for inference was saved in training mode",
    .why = "dropout and batch norm behave as in training: predictions are random or depend on the "
           "rest of the batch",
    .help = "call .eval() before saving",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .judges_without_program = true,
});

}  // namespace torchvet::rules
