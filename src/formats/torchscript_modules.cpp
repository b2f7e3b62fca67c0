#include "formats/torchscript_modules.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace torchvet {
namespace {

/// Shared modules are walked once for each path that leads to them. A small file can have as many
/// paths as it likes, so their number is bounded.
constexpr std::uint64_t kMostVisits = 200'000;
constexpr std::size_t kMostAliases = 64;
constexpr std::size_t kMaxPath = 4096;

struct Visit {
  ObjectId object = kNoObject;
  std::string path;
  std::uint64_t depth = 0;
  std::optional<ModuleId> parent;
  std::string name;
};

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class ModuleWalk {
 public:
  ModuleWalk(Artifact& artifact, const ScriptClasses& classes, const Limits& limits)
      : artifact_(artifact), tree_(artifact.objects), classes_(classes), limits_(limits) {}

  void run(ObjectId root) {
    stack_.push_back({root, "", 0, std::nullopt, ""});
    while (!stack_.empty()) {
      if (visits_++ == kMostVisits) {
        artifact_.add_gap("modules", "more than " + std::to_string(kMostVisits) +
                                         " paths lead to them; the rest were not followed");
        break;
      }
      const Visit visit = std::move(stack_.back());
      stack_.pop_back();
      walk(visit);
    }
    for (const Module& module : artifact_.modules) add_state(module);
    artifact_.state_dicts.push_back(std::move(state_));
  }

 private:
  bool is_script_object(ObjectId id) const {
    const Object::Call* call = tree_.as<Object::Call>(id);
    const Object::Global* type = call ? tree_.as<Object::Global>(call->callable) : nullptr;
    return type && type->module.starts_with("__torch__") &&
           !type->module.starts_with("__torch__.torch.classes");
  }

  bool is_module(ObjectId id) const {
    if (!is_script_object(id)) return false;
    const auto known = classes_.find(tree_.qualified_name(tree_.as<Object::Call>(id)->callable));
    if (known != classes_.end()) return known->second.is_module;
    return tree_.get(tree_.attributes(id), "training") != kNoObject;
  }

  const ScriptClass& class_of(const std::string& qualified) {
    static const ScriptClass unknown;
    const auto known = classes_.find(qualified);
    if (known != classes_.end()) return known->second;
    if (missing_.insert(qualified).second) {
      artifact_.add_gap("class " + qualified,
                        "the archive holds no code for it: its parameters cannot be told from its "
                        "buffers");
    }
    return unknown;
  }

  void walk(const Visit& visit) {
    const auto [known, is_new] =
        seen_.try_emplace(visit.object, static_cast<ModuleId>(artifact_.modules.size()));
    const ModuleId id = known->second;
    if (visit.parent) artifact_.modules[*visit.parent].children.emplace_back(visit.name, id);
    const Object::Call* call = tree_.as<Object::Call>(visit.object);
    const std::string qualified = call ? tree_.qualified_name(call->callable) : std::string();
    const ScriptClass& type = class_of(qualified);

    Module module;
    module.path = visit.path;
    module.class_name = python_class_name(qualified);
    module.parent = visit.parent;
    module.object = visit.object;
    std::vector<Visit> children;
    if (const auto* attributes = tree_.mapping(tree_.attributes(visit.object))) {
      for (const auto& [key, value] : *attributes) {
        const std::optional<std::string_view> name = tree_.text(key);
        if (!name) continue;
        if (is_module(value)) {
          add_child(visit, *name, value, is_new ? std::optional(id) : std::nullopt, children);
        } else {
          read_attribute(*name, value, type, module);
        }
      }
    }
    if (is_new) artifact_.modules.push_back(std::move(module));
    // The stack is taken from its end: the first child must lie there.
    std::move(children.rbegin(), children.rend(), std::back_inserter(stack_));
  }

  /// On a second visit of a shared module the children have their edges already.
  void add_child(const Visit& visit, std::string_view name, ObjectId object,
                 std::optional<ModuleId> parent, std::vector<Visit>& children) {
    if (visit.depth >= limits_.object_depth || visit.path.size() + name.size() > kMaxPath) {
      if (!std::exchange(too_deep_, true)) {
        artifact_.add_gap("modules", "they are nested deeper than " +
                                         std::to_string(limits_.object_depth) +
                                         ", or their paths are longer than " +
                                         std::to_string(kMaxPath) + " bytes");
      }
      return;
    }
    children.push_back(
        {object, join(visit.path, name), visit.depth + 1, parent, std::string(name)});
  }

  void read_attribute(std::string_view name, ObjectId value, const ScriptClass& type,
                      Module& module) {
    if (name == "training") {
      if (const bool* flag = tree_.as<bool>(value)) module.training = *flag;
      return;
    }
    const bool parameter = contains(type.parameters, name);
    const bool buffer = contains(type.buffers, name);
    const Object::TensorRef* reference = tree_.as<Object::TensorRef>(value);
    if (!reference && !((parameter || buffer) && tree_.as<Object::None>(value))) return;
    ModuleTensor tensor{std::string(name), std::nullopt, true};
    if (reference) {
      tensor.tensor = reference->tensor;
      give_name(reference->tensor, join(module.path, name),
                parameter ? TensorRole::kParameter
                : buffer  ? TensorRole::kBuffer
                          : TensorRole::kAttribute);
    }
    (parameter ? module.parameters
     : buffer  ? module.buffers
               : module.tensor_attributes)
        .push_back(std::move(tensor));
  }

  void give_name(TensorId id, std::string path, TensorRole role) {
    Tensor& tensor = artifact_.tensors[id];
    if (tensor.object_path.empty()) {
      tensor.object_path = std::move(path);
      tensor.role = role;
      tensor.is_parameter = role == TensorRole::kParameter;
    } else if (tensor.object_path != path && tensor.aliases.size() < kMostAliases &&
               !contains(tensor.aliases, path)) {
      tensor.aliases.push_back(std::move(path));
    }
  }

  void add_state(const Module& module) {
    if (!state_.modules) state_.modules.emplace();
    state_.modules->push_back(module.path);
    for (const std::vector<ModuleTensor>* tensors : {&module.parameters, &module.buffers}) {
      for (const ModuleTensor& tensor : *tensors) {
        if (tensor.tensor)
          state_.entries.push_back({join(module.path, tensor.name), *tensor.tensor});
      }
    }
  }

  Artifact& artifact_;
  const ObjectTree& tree_;
  const ScriptClasses& classes_;
  const Limits& limits_;
  std::vector<Visit> stack_;
  std::unordered_map<ObjectId, ModuleId> seen_;
  std::unordered_set<std::string> missing_;
  StateDict state_;
  std::uint64_t visits_ = 0;
  bool too_deep_ = false;
};

}  // namespace

void find_script_modules(Artifact& artifact, ObjectId root, const ScriptClasses& classes,
                         const Limits& limits) {
  ModuleWalk(artifact, classes, limits).run(root);
}

}  // namespace torchvet
