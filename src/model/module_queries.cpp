#include "model/module_queries.h"

#include <algorithm>

#include "model/artifact.h"

namespace torchvet {

ModuleId top_of(const Artifact& artifact, ModuleId module) {
  // A parent always comes before its children, so this ends.
  while (artifact.modules[module].parent) module = *artifact.modules[module].parent;
  return module;
}

std::uint64_t registered_tensor_count(const Artifact& artifact, ModuleId top) {
  std::uint64_t count = 0;
  std::vector<ModuleId> tops(artifact.modules.size());
  for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
    const Module& module = artifact.modules[id];
    tops[id] = module.parent ? tops[*module.parent] : id;
    if (module.registration != Registration::kRegistered || tops[id] != top) continue;
    for (const ModuleTensor& tensor : module.parameters) count += tensor.tensor ? 1 : 0;
    for (const ModuleTensor& tensor : module.buffers) count += tensor.tensor ? 1 : 0;
  }
  return count;
}

ModuleContents contents_of(const Artifact& artifact, ModuleId module) {
  ModuleContents contents;
  std::unordered_set<ModuleId> entered;
  std::vector<ModuleId> stack = {module};
  while (!stack.empty()) {
    const ModuleId id = stack.back();
    stack.pop_back();
    if (!entered.insert(id).second) continue;
    const Module& current = artifact.modules[id];
    const std::size_t dot = current.class_name.rfind('.');
    contents.classes.push_back(dot == std::string::npos ? current.class_name
                                                        : current.class_name.substr(dot + 1));
    for (const ModuleTensor& parameter : current.parameters) {
      if (!parameter.tensor) continue;
      ++contents.parameters;
      const std::uint64_t size = artifact.tensors[*parameter.tensor].element_count().value_or(0);
      if (__builtin_add_overflow(contents.elements, size, &contents.elements)) {
        contents.elements = UINT64_MAX;
      }
    }
    for (const ModuleTensor& buffer : current.buffers) contents.buffers += buffer.tensor ? 1 : 0;
    for (auto child = current.children.rbegin(); child != current.children.rend(); ++child) {
      stack.push_back(child->second);
    }
  }
  return contents;
}

bool depends_on_mode(const Artifact& artifact, const Module& module) {
  const std::string& name = module.class_name;
  if (!name.starts_with("torch.nn.modules.")) return false;
  if (name.starts_with("torch.nn.modules.dropout.")) {
    const ObjectId attributes = artifact.objects.attributes(module.object);
    return artifact.objects.number(artifact.objects.get(attributes, "p")) != 0.0;
  }
  if (name.ends_with(".RReLU")) return true;
  if (!name.starts_with("torch.nn.modules.batchnorm.")) return false;
  return std::any_of(module.buffers.begin(), module.buffers.end(), [](const ModuleTensor& buffer) {
    return buffer.name == "running_mean" && buffer.tensor;
  });
}

std::unordered_set<std::string> kept_in_eval(const Artifact& artifact) {
  std::unordered_set<std::string> paths;
  std::vector<bool> in_training(artifact.modules.size());  // the model that the module belongs to
  for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
    const Module& module = artifact.modules[id];
    in_training[id] = module.parent ? in_training[*module.parent] : module.training == true;
    if (in_training[id] && module.training == false) paths.insert(module.path);
  }
  return paths;
}

std::vector<HeldModules> unregistered_modules(const Artifact& artifact) {
  std::vector<HeldModules> held;
  for (ModuleId id = 0; id < artifact.modules.size(); ++id) {
    const Module& module = artifact.modules[id];
    if (module.registration != Registration::kUnregistered || module.held_by_attribute.empty() ||
        !module.parent) {
      continue;
    }
    // Modules of one attribute are found one after the other.
    if (held.empty() || held.back().holder != *module.parent ||
        held.back().attribute != module.held_by_attribute) {
      held.push_back({*module.parent, module.held_by_attribute, module.held_by_container, {}});
    }
    held.back().modules.push_back(id);
  }
  return held;
}

}  // namespace torchvet
