#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file whose storages lie on an accelerator, by the locations written in it.

## Why it matters
Loading puts each storage back where it was. Without `map_location` that fails on a machine that has
no such device: "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is
False"; and for `cuda:1` also where there is only one GPU.

## Example
```python
model.to("cuda:3")
torch.save(model.state_dict(), "model.pt")    # DEV002: 62 storages on cuda:3
```

## What to do
Load with `torch.load(path, map_location="cpu")` (`torch.jit.load` takes it too), or save from the
CPU: `torch.save(model.cpu().state_dict(), path)`. `torch.export.load` has no `map_location`: move the
program (`torch.export.passes.move_to_device_pass`) before saving it.

## Limits
A training checkpoint on the first device is the ordinary case, since training goes on where it was:
a note. Silent where `--target-device` names the device. Only storages that a tensor uses count; a
device that merely stands in the file, such as an option of the optimizer, is no reason for the load
to fail. A model that lies on several devices is DEV001's, which may stand beside this.

## References
`torch.load(map_location=...)`, `torch.serialization.register_package`.
)md";

constexpr std::size_t kMaxDevices = 4;
constexpr std::size_t kMaxNamed = 3;

struct Use {
  std::set<StorageId> storages;
  std::vector<std::string> tensors;
};

bool is_accelerator(std::string_view device) {
  return !device.empty() && device_type(device) != "cpu" && device_type(device) != "meta";
}

std::map<std::string, Use> uses_by_device(const Artifact& artifact, const std::string& target) {
  std::map<std::string, Use> uses;
  for (const Tensor& tensor : artifact.tensors) {
    if (!tensor.storage) continue;
    const std::string& device = artifact.storages[*tensor.storage].location;
    if (!is_accelerator(device) || (!target.empty() && same_device(device, target))) continue;
    Use& use = uses[device];
    use.tensors.push_back(fmt::format("`{}`", tensor.object_path));
    use.storages.insert(*tensor.storage);
  }
  return uses;
}

bool has_model(Kind kind) {
  return kind == Kind::kStateDict || kind == Kind::kCheckpoint || kind == Kind::kTorchScript ||
         kind == Kind::kExportedProgram || kind == Kind::kPickledModule;
}

/// Torch has other words for each kind of device, and for programs.
std::string why_of(const Artifact& artifact, const std::map<std::string, Use>& uses) {
  const std::string device = uses.size() == 1 ? uses.begin()->first : std::string("such device");
  if (artifact.kind == Kind::kExportedProgram) {
    return fmt::format("torch.export.load fails where there is no {}", device);
  }
  std::string why =
      fmt::format("{} without map_location fails where there is no {}",
                  artifact.kind == Kind::kTorchScript ? "torch.jit.load" : "torch.load", device);
  if (artifact.kind != Kind::kTorchScript && device_type(uses.begin()->first) == "cuda") {
    why +=
        ": \"Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
        "False\"";
  }
  return why;
}

std::string text_of(const std::string& device, const Use& use) {
  const std::size_t shown = std::min(use.tensors.size(), kMaxNamed);
  std::string text = fmt::format("on {}: {}", device,
                                 fmt::join(use.tensors.begin(), use.tensors.begin() + shown, ", "));
  if (shown < use.tensors.size()) text += fmt::format(" and {} more", use.tensors.size() - shown);
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (!has_model(artifact.kind)) return {};
  const std::map<std::string, Use> uses = uses_by_device(artifact, intent.target_device);
  if (uses.empty()) return {};
  Finding finding;
  bool first_only = true;
  std::size_t bound = 0;
  std::vector<std::string> counts;
  for (const auto& [device, use] : uses) {
    first_only = first_only && same_device(device, device_type(device));
    bound += use.storages.size();
    if (counts.size() == kMaxDevices) continue;
    counts.push_back(fmt::format("{} on {}", use.storages.size(), device));
    finding.evidence.push_back({"tensor", text_of(device, use)});
  }
  finding.severity =
      first_only && artifact.kind == Kind::kCheckpoint ? Severity::kNote : Severity::kWarning;
  finding.message = uses.size() == 1
                        ? fmt::format("{} of {} storages {} on {}", bound, artifact.storages.size(),
                                      bound == 1 ? "lies" : "lie", uses.begin()->first)
                        : fmt::format("{} of {} storages lie on accelerators: {}{}", bound,
                                      artifact.storages.size(), fmt::join(counts, ", "),
                                      counts.size() < uses.size() ? ", ..." : "");
  finding.why = why_of(artifact, uses);
  if (artifact.kind == Kind::kExportedProgram) {
    finding.help = "move the program to the CPU before saving (torch.export.passes)";
  }
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule DEV002 = define_rule({
    .code = "DEV002",
    .name = "device-bound-storage",
    .summary = "storages lie on an accelerator, so that loading needs one",
    .why = "torch.load without map_location fails on a machine that has no such device",
    .help = "load with map_location=\"cpu\", or move the model to the CPU before saving",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
