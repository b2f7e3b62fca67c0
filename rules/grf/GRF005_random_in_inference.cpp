#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports programs in evaluation mode whose results depend on random numbers that the program draws.

## Why it matters
Two calls on the same input differ. That is what a generative model is for, and what a model with
forgotten noise does as well.

## Example
```python
return self.head(x + 0.1 * torch.randn_like(x))
```

## What to do
When the noise is meant for training, draw it only `if self.training`. When it is part of the model,
nothing is wrong: seed the generator for results that can be repeated.

## Limits
A bug and a design look the same in the graph: never more than a note. Silent where the numbers are
explained by another finding: dropout that is left on, a program in training mode, weights made in
`forward()`.

## References
Measured on 181 transformers models: vit_mae, vits, speecht5 and vilt, all by design.
)md";

bool in_training(const Artifact& artifact, const Graph& graph) {
  for (const TrainingSwitch& found : graph.facts.training_switches) {
    if (found.state == TrainingSwitch::State::kOn) return true;
  }
  for (const Module& module : artifact.modules) {
    const std::string flag = module.path.empty() ? "training" : module.path + ".training";
    if (module.training != true) continue;
    for (const std::string& read : graph.facts.training_flags_read) {
      if (read == flag) return true;
    }
  }
  return false;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  if (!created_layers(artifact).empty()) return findings;
  for (const Graph& graph : artifact.graphs) {
    const std::vector<NodeId>& random = graph.facts.random_in_results;
    if (random.empty() || in_training(artifact, graph)) continue;
    const Node& first = graph.nodes[random.front()];
    Finding finding;
    finding.severity = Severity::kNote;
    finding.confidence = Confidence::kMedium;
    finding.where = location_of(first);
    finding.message = fmt::format("results of {}() depend on random numbers", graph.method);
    finding.evidence.push_back(
        {"graph", fmt::format("drawn by {}{}", first.op,
                              random.size() == 1
                                  ? std::string()
                                  : fmt::format(" and {} more operators", random.size() - 1))});
    finding.key = graph.method;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule GRF005 = define_rule({
    .code = "GRF005",
    .name = "random-in-inference",
    .summary = "random numbers have an influence on the result",
    .why = "two calls on the same input differ",
    .help = "draw noise that is meant for training only if self.training; else seed the generator "
            "where results must be repeatable",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kMedium,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
