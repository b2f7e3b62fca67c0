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

constexpr std::size_t kMaxNamed = 4;

/// The author's line where there is one, else the constant's place in the file.
Location place_of(const Artifact& artifact, const Tensor& tensor, const Node* reader) {
  if (reader != nullptr && !reader->frames.empty()) return location_of(*reader);
  return location_of(artifact, tensor);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const std::vector<std::string> devices = model_devices(artifact);
  if (devices.size() != 1) return {};
  std::set<std::uint32_t> read;
  for (const Graph& graph : artifact.graphs) {
    read.insert(graph.facts.constants_read.begin(), graph.facts.constants_read.end());
  }
  std::map<std::string, std::vector<std::uint32_t>> elsewhere;
  for (const std::uint32_t index : read) {
    if (index >= artifact.graph_constants.size()) continue;
    const Tensor& tensor = artifact.tensors[artifact.graph_constants[index]];
    if (tensor.shape.empty() || tensor.device.empty() || tensor.device == "meta") continue;
    if (!same_device(tensor.device, devices.front())) elsewhere[tensor.device].push_back(index);
  }
  std::vector<Finding> findings;
  for (const auto& [device, constants] : elsewhere) {
    Finding finding;
    finding.key = device;
    finding.message = fmt::format("{} constant{} of the program {} on {}, the model is on {}",
                                  constants.size(), constants.size() == 1 ? "" : "s",
                                  constants.size() == 1 ? "is" : "are", device, devices.front());
    for (const std::uint32_t index : constants) {
      if (finding.evidence.size() == kMaxNamed) break;
      const Tensor& tensor = artifact.tensors[artifact.graph_constants[index]];
      const Node* reader = reader_of_constant(artifact, index);
      if (finding.evidence.empty()) finding.where = place_of(artifact, tensor, reader);
      std::string text = fmt::format("constant `{}` [{}] is on {}", tensor.object_path,
                                     fmt::join(tensor.shape, ", "), device);
      if (reader != nullptr) text += fmt::format("; {} takes it", reader->op);
      finding.evidence.push_back({"tensor", std::move(text)});
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
