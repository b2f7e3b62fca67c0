#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a model whose parameters and buffers lie on more than one device, by the locations that the
file gives its storages.

## Why it matters
Loaded as saved, an operator gets tensors of both devices and fails with "Expected all tensors to be
on the same device". A part of the model was left behind by `.to()`, or made later on another device.

## Example
```python
model.to("cuda:0")
model.head = nn.Linear(64, 10)            # made on the CPU, after the move
torch.save(model.state_dict(), "model.pt")    # DEV001: cuda:0 and cpu
```

## What to do
Move the whole model with `.to(device)` before saving. A file that exists loads onto one device with
`torch.load(path, map_location="cpu")`.

## Limits
An error when one module has tensors on two devices, when the CPU meets an accelerator, and in a
TorchScript program; a warning when each module lies wholly on one accelerator, as in model
parallelism. A number without dimensions on the CPU works with tensors of any device: it is not
counted, and neither are empty and meta tensors. When nothing but tensors of one element and batch
norm's counters is elsewhere it is a note: they may belong to a loss that is computed there (as in
Resemblyzer's published model). Each state_dict of a file is judged by itself, so an average kept on
the CPU is fine; optimizer state, example inputs and constants of a graph (DEV004) are not the
model's. Layers in a Python list, which `.to()` does not move, are REG001's, and buffers that are not
saved in the state_dict are not looked at.

## References
`torch.nn.Module.to`, `torch.load(map_location=...)`.
)md";

constexpr std::size_t kMaxDevices = 4;
constexpr std::size_t kMaxNamed = 3;

struct Place {
  std::string device;
  std::vector<const StateEntry*> entries;
};

/// Batch norm's counters, scales of a loss: they need not meet the other tensors of their module.
bool is_number(const Artifact& artifact, const StateEntry& entry) {
  return artifact.tensors[entry.tensor].element_count() == 1;
}

/// Whether it matters to other tensors where this one lies.
bool has_place(const Tensor& tensor) {
  if (tensor.device.empty() || tensor.device == "meta") return false;
  if (tensor.shape.empty()) return device_type(tensor.device) != "cpu";
  return tensor.element_count() != 0;
}

Place& place_of(std::vector<Place>& places, const std::string& device) {
  const auto known = std::find_if(places.begin(), places.end(), [&](const Place& place) {
    return same_device(place.device, device);
  });
  return known != places.end() ? *known : places.emplace_back(Place{device, {}});
}

/// In the order of the state_dict; tied tensors count once.
std::vector<Place> places_of(const Artifact& artifact, const StateDict& state) {
  std::vector<Place> places;
  std::unordered_set<TensorId> counted;
  for (const StateEntry& entry : state.entries) {
    const Tensor& tensor = artifact.tensors[entry.tensor];
    if (!has_place(tensor) || !counted.insert(entry.tensor).second) continue;
    place_of(places, tensor.device).entries.push_back(&entry);
  }
  return places;
}

/// Two tensors of one module that lie on different devices.
struct Split {
  const StateEntry* first = nullptr;
  const StateEntry* second = nullptr;
};

std::optional<Split> split_module(const Artifact& artifact, const std::vector<Place>& places) {
  std::unordered_map<std::string_view, const StateEntry*> earlier;
  for (const Place& place : places) {
    for (const StateEntry* entry : place.entries) {
      if (is_number(artifact, *entry)) continue;
      const auto known = earlier.find(module_of(entry->name));
      if (known != earlier.end()) return Split{known->second, entry};
    }
    for (const StateEntry* entry : place.entries) {
      if (!is_number(artifact, *entry)) earlier.emplace(module_of(entry->name), entry);
    }
  }
  return std::nullopt;
}

Severity severity_of(const Artifact& artifact, const std::vector<Place>& places, bool split) {
  std::size_t devices = 0;
  bool cpu = false;
  for (const Place& place : places) {
    const auto is_number_of = [&](const auto* entry) { return is_number(artifact, *entry); };
    if (std::all_of(place.entries.begin(), place.entries.end(), is_number_of)) continue;
    ++devices;
    cpu = cpu || device_type(place.device) == "cpu";
  }
  if (split) return Severity::kError;
  if (devices < 2) return Severity::kNote;
  return cpu || artifact.script ? Severity::kError : Severity::kWarning;
}

void add_evidence(const Artifact& artifact, const std::vector<Place>& places,
                  const std::optional<Split>& split, Finding& finding) {
  for (const Place& place : places) {
    const std::size_t shown = std::min(place.entries.size(), kMaxNamed);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < shown; ++i) names.push_back("`" + place.entries[i]->name + "`");
    finding.evidence.push_back(
        {"tensor", fmt::format("on {}: {}{}", place.device, fmt::join(names, ", "),
                               shown < place.entries.size()
                                   ? fmt::format(" and {} more", place.entries.size() - shown)
                                   : "")});
    if (finding.evidence.size() == kMaxDevices) break;
  }
  if (!split) return;
  const auto device = [&](const StateEntry* entry) {
    return artifact.tensors[entry->tensor].device;
  };
  finding.evidence.push_back(
      {"tensor", fmt::format("in one module: `{}` is on {}, `{}` on {}", split->first->name,
                             device(split->first), split->second->name, device(split->second))});
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    const std::vector<Place> places = places_of(artifact, state);
    if (places.size() < 2) continue;
    const std::optional<Split> split = split_module(artifact, places);
    std::vector<std::string> counts;
    for (const Place& place : places) {
      if (counts.size() == kMaxDevices) break;
      counts.push_back(fmt::format("{} on {}", place.entries.size(), place.device));
    }
    Finding finding;
    finding.severity = severity_of(artifact, places, split.has_value());
    finding.where.object_path = state.path;
    finding.message =
        fmt::format("the model's tensors lie on {} devices: {}{}", places.size(),
                    fmt::join(counts, ", "), counts.size() < places.size() ? ", ..." : "");
    add_evidence(artifact, places, split, finding);
    if (finding.severity == Severity::kNote) {
      finding.why = "harmless unless an operator meets tensors of both devices: then it fails";
    } else if (finding.severity == Severity::kWarning) {
      finding.why = "the model runs only where all of these devices are, and fails elsewhere";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule DEV001 = define_rule({
    .code = "DEV001",
    .name = "device-split",
    .summary = "parameters and buffers of one model lie on more than one device",
    .why = "an operator that gets tensors of both devices fails",
    .help = "move the whole model with .to(device) before saving, or load the file with "
            "map_location",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
