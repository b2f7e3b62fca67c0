#include <fmt/format.h>

#include <string_view>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports operators of a saved program whose training switch is a constant that is on: `train` of
dropout, `training` of batch norm and rrelu, `dropout_p` of attention; and random numbers that are
drawn inside of a drop path or a hand-written dropout (by the name of its class).

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
dropout between the layers of a recurrent net that has one, branches never taken. A probability that
a module keeps as an attribute counts as what it is in the file. Dropout kept on purpose (Monte Carlo
dropout) is the same graph: suppress it there. With `--for training` or `--for resume` this rule is
silent.

## References
`torch.nn.functional.dropout`, `torch.nn.functional.scaled_dot_product_attention`.
)md";

std::string_view effect_of(std::string_view op) {
  if (op.find("norm") != std::string_view::npos) return "normalises by the batch it is given";
  if (op.find("rrelu") != std::string_view::npos) return "draws random slopes";
  return "drops activations";
}

/// "the constant True", "the attribute `core.p`"; empty when it is neither.
std::string value_text(const Graph& graph, const Node& node, std::string_view argument) {
  for (const NodeInput& input : node.inputs) {
    const Value& given = graph.values[input.value];
    if (input.argument != argument) continue;
    if (given.attribute) return fmt::format("the attribute `{}`", *given.attribute);
    if (!given.literal) continue;
    const auto& value = given.literal->value;
    if (const bool* flag = std::get_if<bool>(&value)) {
      return fmt::format("the constant {}", *flag ? "True" : "False");
    }
    if (const double* number = std::get_if<double>(&value)) {
      return fmt::format("the constant {}", *number);
    }
    if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) {
      return fmt::format("the constant {}", *number);
    }
  }
  return {};
}

std::string switch_text(const Graph& graph, const Node& node, std::string_view argument) {
  if (argument.empty()) return "it has no switch: it always behaves as in training";
  if (argument.empty()) {
    return fmt::format("drawn in `{}`, a module of a kind that draws only in training",
                       node.module_path);
  }
  const std::string value = value_text(graph, node, argument);
  if (value.empty() && !node.made_from.empty()) {
    return fmt::format("its `{}` was true when run_decompositions() took it apart", argument);
  }
  std::string text = fmt::format("its `{}` is {}", argument, value.empty() ? "always on" : value);
  const std::string p = value_text(graph, node, "p");
  if (!p.empty() && argument != "p") text += fmt::format(", `p` is {}", p);
  if (text.find("the attribute") != std::string::npos) text += ", above 0 in this file";
  return text;
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
          fmt::format("{} in {}() {} on every call", operator_text(node), graph.method,
                      effect_of(node.made_from.empty() ? node.op : node.made_from));
      finding.evidence.push_back({"graph", switch_text(graph, node, found.argument)});
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
