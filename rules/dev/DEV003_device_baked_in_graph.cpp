#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports devices that are written into a saved program: `torch.device("cuda:0")` in `zeros`, `arange`,
`to` and the like.

## Why it matters
Loading with `map_location` moves parameters and buffers, not literals. A program that makes a tensor
on `cuda:0` fails where there is no such device, and fails with "Expected all tensors to be on the
same device" where the parameters lie elsewhere.

## Example
```python
mask = torch.zeros(n, device="cuda")       # traced: torch.device("cuda:0") for ever
mask = torch.zeros(n, device=x.device)     # follows the input in a script
```

## What to do
Make the tensor from another one (`x.new_zeros`, `zeros_like`), or keep it as a buffer, and trace on
the device that the program will run on.

## Limits
An error where an accelerator in the program differs from the device of the parameters or from
`--target-device`; a warning where it agrees with the parameters, since such a program runs only
there. `cpu` stands in most traces and is fine on the CPU: one note for the file, and only with a
`--target-device` that is another.

## References
`torch.jit.load(map_location=...)`.
)md";

constexpr std::size_t kMaxNamed = 6;

struct Uses {
  const Node* first = nullptr;
  std::vector<std::string> operators;
};

std::map<std::string, Uses> uses_by_device(const Artifact& artifact) {
  std::map<std::string, Uses> uses;
  for (const Graph& graph : artifact.graphs) {
    for (const DeviceLiteral& literal : graph.facts.device_literals) {
      Uses& use = uses[literal.device];
      const Node& node = graph.nodes[literal.node];
      if (use.first == nullptr) use.first = &node;
      use.operators.push_back(node.op);
    }
  }
  return uses;
}

std::string operators_text(const std::vector<std::string>& operators) {
  const std::size_t shown = std::min(operators.size(), kMaxNamed);
  std::string text =
      fmt::format("{}", fmt::join(operators.begin(), operators.begin() + shown, ", "));
  if (shown < operators.size()) text += fmt::format(" and {} more", operators.size() - shown);
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  std::vector<Finding> findings;
  const std::vector<std::string> devices = model_devices(artifact);
  const std::string& target = intent.target_device;
  for (const auto& [device, uses] : uses_by_device(artifact)) {
    if (device == "meta" || device.empty()) continue;
    const bool is_cpu = device_type(device) == "cpu";
    const bool fits_target = target.empty() || device_type(target) == device_type(device);
    const bool fits_model = devices.empty() || std::any_of(devices.begin(), devices.end(),
                                                           [&](const std::string& other) {
                                                             return same_device(device, other);
                                                           });
    if (is_cpu && fits_target) continue;
    Finding finding;
    finding.where = location_of(*uses.first);
    finding.key = device;
    finding.message =
        fmt::format("the program makes tensors on {}, whatever device it is loaded to", device);
    finding.evidence.push_back({"graph", fmt::format("torch.device(\"{}\") in {}", device,
                                                     operators_text(uses.operators))});
    if (!devices.empty()) {
      finding.evidence.push_back(
          {"tensor", fmt::format("the model's tensors are on {}", fmt::join(devices, ", "))});
    }
    if (!fits_target) {
      finding.evidence.push_back({"graph", fmt::format("the target device is {}", target)});
    }
    if (is_cpu) {
      finding.severity = Severity::kNote;
    } else if (fits_target && (fits_model || !target.empty())) {
      finding.severity = Severity::kWarning;
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule DEV003 = define_rule({
    .code = "DEV003",
    .name = "device-baked-in-graph",
    .summary = "a device is written into the program",
    .why = "map_location moves parameters, not literals: elsewhere the program fails",
    .help = "make such tensors from another one (x.new_zeros, zeros_like) or keep them as buffers",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
