#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Looks at a whole pickled `nn.Module` and reports tensors that are plain attributes of a module,
directly or in a list or dict, and neither parameters nor buffers.

## Why it matters
`state_dict()` leaves such a tensor out, so a model that is built anew and gets the saved state
computes with another value; `.to("cuda")` leaves it on the CPU, so `forward()` fails there with
"Expected all tensors to be on the same device". An `nn.Parameter` in a Python list is also unknown
to the optimizer.

## Example
```python
self.scale = torch.tensor([1.0, 2.0])                    # REG008
self.register_buffer("scale", torch.tensor([1.0, 2.0]))  # fine
self.gains = [nn.Parameter(torch.ones(8))]               # REG008: use nn.ParameterList
```

## What to do
Use `register_buffer` (with `persistent=False` for what can be computed again), or `nn.Parameter`,
`nn.ParameterList`, `nn.ParameterDict` for what is trained.

## Limits
Silent for integer and boolean tensors, for tensors that share the storage of a registered one
(`_flat_weights` of recurrent layers), for weights that a hook of `torch.nn.utils` computes on every call
(`prune`, `spectral_norm`, `weight_norm`), and for private attributes (`_cached_mask`) that need no
gradient: those are mostly caches. A note for a single number, which works on any device.

## References
`torch.nn.Module.register_buffer`, `torch.nn.ParameterList`.
)md";

/// Storages that a registered parameter or buffer looks into, sorted.
std::vector<StorageId> registered_storages(const Artifact& artifact) {
  std::vector<StorageId> storages;
  for (const Module& module : artifact.modules) {
    for (const std::vector<ModuleTensor>* tensors : {&module.parameters, &module.buffers}) {
      for (const ModuleTensor& tensor : *tensors) {
        if (!tensor.tensor) continue;
        if (const auto storage = artifact.tensors[*tensor.tensor].storage) {
          storages.push_back(*storage);
        }
      }
    }
  }
  std::sort(storages.begin(), storages.end());
  return storages;
}

/// A weight that a hook computes anew before every call, from what is registered beside it: pruning
/// and spectral norm keep `weight_orig`, weight norm `weight_g` and `weight_v`.
bool is_computed(const Module& module, std::string_view name) {
  const auto registers = [&](std::string_view tail) {
    return std::any_of(module.parameters.begin(), module.parameters.end(),
                       [&](const ModuleTensor& parameter) {
                         const std::string_view other = parameter.name;
                         return other.size() == name.size() + tail.size() &&
                                other.starts_with(name) && other.ends_with(tail);
                       });
  };
  return registers("_orig") || (registers("_g") && registers("_v"));
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  // torch.jit.save keeps plain tensor attributes: nothing is lost there.
  if (artifact.kind == Kind::kTorchScript) return findings;
  const std::vector<StorageId> registered = registered_storages(artifact);
  for (const Module& module : artifact.modules) {
    for (const ModuleTensor& attribute : module.tensor_attributes) {
      if (!attribute.tensor) continue;
      const Tensor& tensor = artifact.tensors[*attribute.tensor];
      const bool trained = tensor.is_parameter || tensor.requires_grad;
      if (!is_floating_point(tensor.dtype)) continue;
      if (attribute.name.starts_with('_') && !trained) continue;
      if (is_computed(module, attribute.name)) continue;
      if (tensor.storage &&
          std::binary_search(registered.begin(), registered.end(), *tensor.storage)) {
        continue;
      }
      Finding finding;
      const bool single = tensor.element_count() == 1 && !trained;
      finding.severity = single ? Severity::kNote : Severity::kWarning;
      finding.confidence = tensor.is_parameter ? Confidence::kHigh : Confidence::kMedium;
      finding.where = location_of(artifact, tensor);
      finding.message = fmt::format(
          "`{}` is {} that is neither a registered parameter nor a buffer", tensor.object_path,
          tensor.is_parameter ? "an nn.Parameter in a Python container" : "a tensor attribute");
      finding.evidence.push_back(
          {"tensor", fmt::format("{} of shape [{}] under `{}` in the `__dict__` of a {}",
                                 name_of(tensor.dtype), fmt::join(tensor.shape, ", "),
                                 attribute.name, module.class_name)});
      if (trained) {
        finding.help = "assign it as an nn.Parameter, or use nn.ParameterList or nn.ParameterDict";
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG008 = define_rule({
    .code = "REG008",
    .name = "tensor-attribute-not-buffer",
    .summary = "a tensor attribute of a module is neither a parameter nor a buffer",
    .why = "state_dict does not save it and `.to()` does not move it",
    .help = "use self.register_buffer(name, tensor), with persistent=False if it can be computed "
            "again",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
