#include <fmt/format.h>

#include <algorithm>

#include "model/layer_origins.h"
#include "model/module_queries.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a model without a single parameter or buffer although it has layers: a pickled module whose
layers all stand in Python containers or whose `super().__init__()` was never called, a state_dict
that is empty, a program whose layers are all constants or are made on every call.

## Why it matters
`parameters()` is empty: the optimizer had nothing to train, `state_dict()` saved nothing, and
loading it restores nothing.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(16, 16), nn.Linear(16, 4)]   # nothing is registered
```

## What to do
Call `super().__init__()` first, hold layers as attributes or in `nn.ModuleList`, create none in
`forward()`. Then train again.

## Limits
Programs that only prepare data (resize, spectrogram) have no layers and are silent; so is a program
after `torch.jit.freeze`, which turns every weight into a constant and drops the `training` flags. A
lone constant weight without bias is a note: a filter bank. Where REG002 is an error too, this is a
warning. A state_dict is judged only where its `_metadata` knows no module but the root. In the zip
format a class without `super().__init__()` cannot be told from any other class: such a root is
judged when it holds layers of torch.nn in containers and nothing else.

## References
`torch.nn.Module.__setattr__`, `torch.jit.freeze`.
)md";

Finding no_state(std::string message) {
  Finding finding;
  finding.message = std::move(message);
  return finding;
}

void check_program(const Artifact& artifact, std::vector<Finding>& findings) {
  if (artifact.graphs.empty() || !program_state(artifact).empty()) return;
  const std::vector<CreatedLayer> created = created_layers(artifact);
  const auto error_elsewhere =
      std::find_if(created.begin(), created.end(),
                   [](const CreatedLayer& layer) { return layer.suspicion >= Suspicion::kLikely; });
  const std::vector<ConstantLayer> constants = constant_layers(artifact);
  if (error_elsewhere != created.end()) {
    Finding finding = no_state("the program has layers but neither parameter nor buffer");
    finding.where = location_of(*error_elsewhere->node);
    finding.severity = Severity::kWarning;
    finding.help = "create the layers in __init__ and keep them as attributes; then train again";
    finding.evidence.push_back(
        {"graph", fmt::format("{} layer{} made on every call, none registered", created.size(),
                              created.size() == 1 ? " is" : "s are")});
    findings.push_back(std::move(finding));
    return;
  }
  if (constants.empty() || is_frozen(artifact)) return;
  const auto layer =
      std::find_if(constants.begin(), constants.end(), [](const ConstantLayer& constant) {
        const bool is_layer = constant.called_by_module || constant.untouched != nullptr;
        const bool may_be = constant.certain_slot && constant.node->frames.empty();
        return constant.weight_and_bias && (is_layer || may_be);
      });
  const bool is_error = layer != constants.end();
  Finding finding = no_state("the program has layers but neither parameter nor buffer");
  const ConstantLayer& shown = is_error ? *layer : constants.front();
  finding.where = location_of(*shown.node);
  finding.evidence.push_back(
      {"graph",
       fmt::format("{} of {} {} of the program; {} such layer{} in all{}", slots_text(shown.slots),
                   shown.node->op, shown.slots.size() > 1 ? "are constants" : "is a constant",
                   constants.size(), constants.size() == 1 ? "" : "s",
                   artifact.script ? ", and modules carry `training`, so the program was "
                                     "not frozen"
                                   : "")});
  if (!is_error) {
    finding.severity = Severity::kNote;
    finding.confidence = Confidence::kMedium;
    finding.why = "fixed kernels that are no buffers stay behind when the program is moved";
    finding.help = "make them buffers with register_buffer";
  }
  findings.push_back(std::move(finding));
}

void check_modules(const Artifact& artifact, std::vector<Finding>& findings) {
  const std::vector<HeldModules> held = unregistered_modules(artifact);
  for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
    const Module& root = artifact.modules[id];
    if (root.parent || root.registration != Registration::kRegistered) continue;
    if (registered_tensor_count(artifact, id) != 0) continue;
    Finding finding = no_state(
        root.initialised ? fmt::format("the pickled {} has layers but neither parameter nor buffer",
                                       root.class_name)
                         : fmt::format("the pickled {} was never initialised: it registers nothing",
                                       root.class_name));
    finding.where.object_path = root.path;
    if (!root.initialised) {
      finding.evidence.push_back({"module",
                                  "its pickled state has no `_parameters` and no `_modules`: "
                                  "super().__init__() was not called"});
    }
    bool layers = !root.initialised;
    for (const HeldModules& group : held) {
      if (top_of(artifact, group.holder) != id) continue;
      std::uint64_t parameters = 0;
      for (const ModuleId module : group.modules) {
        parameters += contents_of(artifact, module).parameters;
      }
      if (parameters == 0) continue;
      layers = true;
      finding.evidence.push_back(
          {"module",
           fmt::format("`{}` is a {} that holds {} module{} with {} parameters", group.attribute,
                       group.container.empty() ? "plain attribute" : group.container,
                       group.modules.size(), group.modules.size() == 1 ? "" : "s", parameters)});
    }
    if (layers) findings.push_back(std::move(finding));
  }
}

void check_state_dicts(const Artifact& artifact, std::vector<Finding>& findings) {
  for (const StateDict& state : artifact.state_dicts) {
    const bool root_alone =
        state.modules && state.modules->size() == 1 && state.modules->front().empty();
    if (!state.entries.empty() || !root_alone) continue;
    Finding finding =
        no_state(state.path.empty() ? "the state_dict is empty"
                                    : fmt::format("the state_dict `{}` is empty", state.path));
    finding.where.object_path = state.path;
    finding.evidence.push_back(
        {"module", "`_metadata` names no module but the root: no layer was registered"});
    findings.push_back(std::move(finding));
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  if (artifact.kind == Kind::kTorchScript || artifact.kind == Kind::kExportedProgram) {
    check_program(artifact, findings);
  } else if (!artifact.modules.empty()) {
    check_modules(artifact, findings);
  } else {
    check_state_dicts(artifact, findings);
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG004 = define_rule({
    .code = "REG004",
    .name = "no-parameters",
    .summary = "a model has layers but registers no parameter and no buffer",
    .why = "parameters() is empty: nothing was trained, and nothing of the layers is saved",
    .help =
        "call super().__init__() first, and hold layers as attributes or in nn.ModuleList; then "
        "train again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .judges_without_program = true,
});

}  // namespace torchvet::rules
