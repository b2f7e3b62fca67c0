#include <fmt/format.h>

#include <string_view>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports operators of a saved program whose training switch is a constant that is on: `train` of
dropout, `training` of batch norm and rrelu, `dropout_p` of attention.

## Why it matters
The constant is part of the program. `.eval()` after loading changes nothing: every call drops
activations or normalises by its own batch.

## Example
```python
torch.jit.trace(net.train(), x)           # dropout(input, 0.5, True) in the file
F.dropout(x, 0.5)                         # training=True is the default: True in a script too
```

## What to do
Call `.eval()` before tracing; write `F.dropout(x, p, training=self.training)`, or use `nn.Dropout`;
give `scaled_dot_product_attention` the probability `self.p if self.training else 0.0`.

## Limits
Switches without effect do not count: p = 0, batch norm or instance norm without running statistics,
dropout between the layers of a recurrent net that has one, branches never taken. Dropout kept on
purpose (Monte Carlo dropout) is the same graph: suppress it there. With `--for training` or
`--for resume` this rule is silent.

## References
`torch.nn.functional.dropout`, `torch.nn.functional.scaled_dot_product_attention`.
)md";

std::string_view effect_of(std::string_view op) {
  if (op.find("norm") != std::string_view::npos) return "normalises by the batch it is given";
  if (op.find("rrelu") != std::string_view::npos) return "draws random slopes";
  return "drops activations";
}

std::string value_text(const Graph& graph, const Node& node, std::string_view argument) {
  for (const NodeInput& input : node.inputs) {
    if (input.argument != argument || !graph.values[input.value].literal) continue;
    const auto& value = graph.values[input.value].literal->value;
    if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "True" : "False";
    if (const double* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
    if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) {
      return std::to_string(*number);
    }
  }
  return {};
}

bool is_training(const Artifact& artifact, std::string_view path) {
  for (const Module& module : artifact.modules) {
    if (module.path == path) return module.training == true;
  }
  return false;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  std::vector<Finding> findings;
  if (intent.purpose == Purpose::kTraining || intent.purpose == Purpose::kResume) return findings;
  for (const Graph& graph : artifact.graphs) {
    for (const TrainingSwitch& found : graph.facts.training_switches) {
      if (found.state != TrainingSwitch::State::kOn) continue;
      const Node& node = graph.nodes[found.node];
      Finding finding;
      finding.where = location_of(node);
      finding.key = fmt::format("{} {}", graph.method, node.op);
      finding.message =
          fmt::format("{} in {}() {} on every call", node.op, graph.method, effect_of(node.op));
      std::string text = fmt::format("its `{}` is the constant {}", found.argument,
                                     value_text(graph, node, found.argument));
      const std::string p = value_text(graph, node, "p");
      if (!p.empty() && found.argument != "p") text += fmt::format(", p is {}", p);
      finding.evidence.push_back({"graph", std::move(text)});
      if (is_training(artifact, node.module_path)) {
        finding.evidence.push_back(
            {"module", "`training` is true on its module: the program was made in training mode"});
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule MOD002 = define_rule({
    .code = "MOD002",
    .name = "train-behaviour-baked",
    .summary = "the training switch of an operator is a constant that is on",
    .why = "`.eval()` after loading changes nothing: the program behaves as in training for ever",
    .help = "call .eval() before tracing, and pass training=self.training to functional dropout",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
