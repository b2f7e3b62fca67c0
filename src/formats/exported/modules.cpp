#include "formats/exported/modules.h"

#include <algorithm>
#include <utility>

#include "formats/exported/graph.h"

namespace torchvet {
namespace {

constexpr std::ptrdiff_t kMostLevels = 256;

/// Each level of a path is a module; nobody nests hundreds.
bool is_sane(std::string_view path) {
  return std::count(path.begin(), path.end(), '.') <= kMostLevels;
}

}  // namespace

void ExportedModules::collect(Json graph_module) {
  if (const auto calls = json_array(json_field(graph_module, "module_call_graph"))) {
    for (const Json call : *calls) {
      const std::string_view path = json_text(json_field(call, "fqn")).value_or("");
      classes_.emplace(path_of(path.substr(0, path.find('@'))), "");
    }
  }
  const auto nodes = json_array(json_field(json_field(graph_module, "graph"), "nodes"));
  if (!nodes) return;
  for (const Json node : *nodes) {
    const auto stack =
        json_text(json_field(json_field(node, "metadata"), "nn_module_stack")).value_or("");
    for (const ExportedModule& module : exported_module_stack(stack)) {
      classes_[path_of(module.path)] = std::string(module.class_name);
    }
  }
}

ModuleId ExportedModules::module_at(const std::string& path) {
  const auto [known, added] = modules_.emplace(path, artifact_.modules.size());
  if (!added) return known->second;
  const ModuleId id = known->second;
  Module module;
  module.path = path;
  const auto named = classes_.find(path);
  module.class_name = named == classes_.end() ? "" : named->second;
  artifact_.modules.push_back(std::move(module));
  if (path == root_ || path.empty()) return id;
  const ModuleId parent = module_at(std::string(module_of(path)));
  artifact_.modules[id].parent = parent;
  artifact_.modules[parent].children.emplace_back(std::string(leaf_of(path)), id);
  return id;
}

std::string ExportedModules::path_of(std::string_view path) const {
  if (root_.empty() || path.empty()) return root_ + std::string(path);
  return root_ + "." + std::string(path);
}

void ExportedModules::make(TensorId first) {
  const ModuleId root = module_at(root_);
  for (const auto& [path, class_name] : classes_) {
    if (is_sane(path)) module_at(path);
  }
  for (TensorId id = first; id < artifact_.tensors.size(); ++id) {
    const Tensor& tensor = artifact_.tensors[id];
    if (tensor.role != TensorRole::kParameter && tensor.role != TensorRole::kBuffer) continue;
    if (!is_sane(tensor.object_path)) continue;
    Module& module = artifact_.modules[module_at(std::string(module_of(tensor.object_path)))];
    std::vector<ModuleTensor>& held =
        tensor.role == TensorRole::kParameter ? module.parameters : module.buffers;
    held.push_back({std::string(leaf_of(tensor.object_path)), id, true});
  }
  StateDict state = state_of_module(artifact_, root);
  state.path = root_;
  artifact_.state_dicts.push_back(std::move(state));
}

}  // namespace torchvet
