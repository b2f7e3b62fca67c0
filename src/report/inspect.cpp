#include "report/inspect.h"

#include <array>
#include <utility>

#include "core/checked.h"

namespace torchvet {
namespace {

constexpr std::array<std::pair<std::string_view, Part>, 8> kNames = {{
    {"summary", Part::kSummary},
    {"members", Part::kMembers},
    {"tensors", Part::kTensors},
    {"modules", Part::kModules},
    {"graph", Part::kGraph},
    {"optimizer", Part::kOptimizer},
    {"pickle", Part::kPickle},
    {"loaders", Part::kLoaders},
}};

void add(Summary::Tensors& group, const Tensor& tensor) {
  ++group.count;
  const std::optional<std::uint64_t> count = tensor.element_count();
  group.elements =
      count ? checked_add(group.elements, *count).value_or(UINT64_MAX) : UINT64_MAX;
  ++group.dtypes[std::string(name_of(tensor.dtype))];
  ++group.devices[tensor.device];
}

}  // namespace

std::string_view name_of(Part part) {
  for (const auto& [name, known] : kNames) {
    if (known == part) return name;
  }
  return "";
}

std::optional<Part> part_from_name(std::string_view name) {
  for (const auto& [known, part] : kNames) {
    if (known == name) return part;
  }
  return std::nullopt;
}

Summary summarise(const Artifact& artifact) {
  Summary summary;
  for (const Tensor& tensor : artifact.tensors) {
    add(tensor.role == TensorRole::kParameter ? summary.parameters
        : tensor.role == TensorRole::kBuffer  ? summary.buffers
                                              : summary.others,
        tensor);
  }
  for (const Storage& storage : artifact.storages) {
    summary.storage_bytes =
        checked_add(summary.storage_bytes, storage.declared_bytes).value_or(UINT64_MAX);
  }
  for (const Module& module : artifact.modules) {
    if (module.training) ++(*module.training ? summary.training : summary.evaluating);
    ++summary.classes[module.class_name];
  }
  return summary;
}

}  // namespace torchvet
