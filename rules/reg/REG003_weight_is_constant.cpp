#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
In a program that has parameters, reports layers whose weights are constants of the program instead.

## Why it matters
A trace bakes every tensor that it does not find among the parameters and buffers. A layer in a
Python list or dict becomes such a constant: it was not in `parameters()`, so it was never trained,
and in the program it cannot be trained, moved with `.to()` or replaced by `load_state_dict` either.

## Example
```python
self.layers = [nn.Linear(16, 16)]     # a list: the module system does not see the layer
torch.jit.trace(net, x)               # its weight becomes CONSTANTS.c0
```

## What to do
Use `nn.ModuleList` or `nn.ModuleDict`, train again, and trace again. Make a fixed kernel a buffer
(`register_buffer`), so that `.to()` moves it.

## Limits
Two witnesses make an error. One is the call: it comes from the source of a torch.nn module, so a
layer object exists that is registered nowhere (needs the source map of the archive). The other is
the numbers: they still are what torch's generator drew, which no training leaves alone. An error
takes untouched numbers together with the call, or with weight and bias both constant; or, for a norm
layer, ones and zeros with the call. One witness is a warning: a frozen extractor hidden on purpose
looks like that. Neither is a note: a Sobel, mel or wavelet kernel. Random Fourier features are
random on purpose: never an error. Programs without any parameter are REG004. Silent for what
`torch.jit.freeze` made (no module has `training`): constants are its weights, also beside the
parameters of an attention layer, which it leaves.

## References
`torch.jit.trace`, `torch.nn.ModuleList`.
)md";

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  for (const TensorId id : slot_constants(artifact)) {
    plan.items.push_back({id, kFingerprint | kMoments});
  }
  return plan;
}

void judge(const ConstantLayer& layer, Finding& finding) {
  const bool untouched = layer.untouched != nullptr;
  finding.severity = Severity::kNote;
  finding.confidence = Confidence::kMedium;
  if (!layer.certain_slot) {
    if (untouched) finding.severity = Severity::kWarning;
    return;
  }
  if (untouched && (layer.weight_and_bias || layer.called_by_module)) {
    finding.severity = Severity::kError;
    finding.confidence = Confidence::kHigh;
  } else if (layer.fresh_norm && layer.called_by_module) {
    finding.severity = Severity::kError;
  } else if (untouched || layer.called_by_module) {
    finding.severity = Severity::kWarning;
  }
}

void explain(const Artifact& artifact, const ConstantLayer& layer, Finding& finding) {
  for (const WeightSlot* slot : layer.slots) {
    if (finding.evidence.size() == 4) break;
    const TensorId id = artifact.graph_constants[slot->origin.constants.front()];
    const Tensor& tensor = artifact.tensors[id];
    finding.evidence.push_back(
        {"graph", fmt::format("{} <- constant `{}` [{}]; {} parameters are registered elsewhere",
                              slot->argument, tensor.object_path, fmt::join(tensor.shape, ", "),
                              program_state(artifact).parameters)});
  }
  if (layer.untouched != nullptr) {
    const FingerprintEvidence& mark = *layer.untouched->values->fingerprint;
    finding.evidence.push_back(
        {"values",
         fmt::format("`{}` still holds what torch's generator drew ({} of {} {} fit): it "
                     "was never trained",
                     layer.untouched->object_path, mark.matched, mark.tested,
                     mark.kind == InitFingerprint::kNormal ? "pairs of values" : "small values")});
  } else if (layer.fresh_norm) {
    finding.evidence.push_back({"values", "weight all 1, bias all 0: it was never trained"});
  }
  if (!layer.called_by_module) return;
  for (const SourceLine& frame : layer.node->frames) {
    if (frame.file.find("torch/nn/modules/") == std::string::npos) continue;
    const std::size_t name = frame.file.find("torch/nn/modules/");
    finding.evidence.push_back(
        {"graph", fmt::format("called by {}:{}: a module that is registered nowhere",
                              frame.file.substr(name), frame.line)});
    break;
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  if (program_state(artifact).parameters == 0 || is_frozen(artifact)) return findings;
  for (const ConstantLayer& layer : constant_layers(artifact)) {
    Finding finding;
    finding.where = location_of(*layer.node);
    finding.key = fmt::format("{} {}", layer.node->op, layer.slots.front()->argument);
    judge(layer, finding);
    finding.message =
        layer.certain_slot
            ? fmt::format("{} of {} {} of the program, not registered", slots_text(layer.slots),
                          operator_text(*layer.node),
                          layer.slots.size() > 1 ? "are constants" : "is a constant")
            : fmt::format("an operand of {} is a constant of the program", operator_text(*layer.node));
    explain(artifact, layer, finding);
    if (finding.severity == Severity::kNote) {
      finding.why = "a fixed kernel that is no buffer stays behind when the program is moved";
      finding.help = "make it a buffer with register_buffer, so that `.to()` moves it";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG003 = define_rule({
    .code = "REG003",
    .name = "weight-is-constant",
    .summary = "a layer's weights are constants of the program while the model has parameters",
    .why =
        "the layer was in no parameters() when the program was made, so it was never trained, and "
        "it cannot be trained or moved now",
    .help = "hold the layer in nn.ModuleList or nn.ModuleDict, train again and trace again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
