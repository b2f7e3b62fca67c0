#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports tensor constants of a saved program that lie on another device than its parameters.

## Why it matters
The program mixes them in one operator: it fails with "Expected all tensors to be on the same
device", on every machine.

## Example
```
constant `CONSTANTS.c0` [3, 3] is on cpu; the model's tensors are on cuda:0
```

## What to do
Register the tensor as a buffer (`register_buffer`) and trace again, so that it moves with the model.

## Limits
Constants without dimensions are not judged: torch lets a number on the CPU meet any device. Nor are
constants that no method reads, and models whose own tensors are on several devices (DEV001).

## References
`torch.jit.trace`, `torch.nn.Module.register_buffer`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const std::vector<std::string> devices = model_devices(artifact);
  if (devices.size() != 1) return {};
  std::set<std::uint32_t> read;
  for (const Graph& graph : artifact.graphs) {
    read.insert(graph.facts.constants_read.begin(), graph.facts.constants_read.end());
  }
  std::map<std::string, std::vector<const Tensor*>> elsewhere;
  for (const std::uint32_t index : read) {
    if (index >= artifact.graph_constants.size()) continue;
    const Tensor& tensor = artifact.tensors[artifact.graph_constants[index]];
    if (tensor.shape.empty() || tensor.device.empty() || tensor.device == "meta") continue;
    if (!same_device(tensor.device, devices.front())) elsewhere[tensor.device].push_back(&tensor);
  }
  std::vector<Finding> findings;
  for (const auto& [device, tensors] : elsewhere) {
    Finding finding;
    finding.where = location_of(artifact, *tensors.front());
    finding.key = device;
    finding.message = fmt::format("{} constant{} of the program {} on {}, the model is on {}",
                                  tensors.size(), tensors.size() == 1 ? "" : "s",
                                  tensors.size() == 1 ? "is" : "are", device, devices.front());
    for (const Tensor* tensor : tensors) {
      if (finding.evidence.size() == 4) break;
      finding.evidence.push_back(
          {"tensor", fmt::format("constant `{}` [{}] is on {}", tensor->object_path,
                                 fmt::join(tensor->shape, ", "), device)});
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule DEV004 = define_rule({
    .code = "DEV004",
    .name = "constant-device-differs",
    .summary = "constants of the program lie on another device than its parameters",
    .why = "one operator gets tensors of both devices, which fails",
    .help = "register the tensors as buffers and trace again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
