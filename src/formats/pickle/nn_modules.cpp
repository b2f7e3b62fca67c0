#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/pickle/arguments.h"
#include "formats/pickle/torch_objects.h"
#include "model/object_place.h"
#include "model/reading_budget.h"

// A whole nn.Module is pickled as an instance whose state is its `__dict__`: the dicts
// `_parameters`, `_buffers` and `_modules`, bookkeeping, then the author's own attributes. What
// stands in `_modules` is registered. A module that can be reached only through another attribute
//
//     self.layers = [nn.Linear(8, 8), nn.Linear(8, 8)]     # a list, not nn.ModuleList
//
// is not: state_dict, the optimizer and `.to()` do not know it. So the search goes in two rounds:
// first the registered trees of all modules that stand in the open (the root, or entries of a
// checkpoint's dict), then the plain attributes of each module found. A module that the second
// round meets and the first knows is only mentioned twice, which is fine.
namespace torchvet {
namespace {

/// Fields that nn.Module.__init__ makes besides the three that hold parameters, buffers, modules.
constexpr std::string_view kBookkeeping[] = {"training",
                                             "_parameters",
                                             "_buffers",
                                             "_modules",
                                             "_non_persistent_buffers_set",
                                             "_backward_pre_hooks",
                                             "_backward_hooks",
                                             "_is_full_backward_hook",
                                             "_forward_hooks",
                                             "_forward_hooks_with_kwargs",
                                             "_forward_hooks_always_called",
                                             "_forward_pre_hooks",
                                             "_forward_pre_hooks_with_kwargs",
                                             "_state_dict_hooks",
                                             "_state_dict_pre_hooks",
                                             "_load_state_dict_pre_hooks",
                                             "_load_state_dict_post_hooks"};

using Pairs = std::vector<std::pair<ObjectId, ObjectId>>;

class Finder {
 public:
  Finder(Artifact& artifact, const Limits& limits)
      : artifact_(artifact),
        tree_(artifact.objects),
        limits_(limits),
        seen_(artifact.objects.size(), false),
        looks_(artifact, 16),
        kept_(artifact, 2) {}

  void run(ObjectId root);

 private:
  struct Fields {
    ObjectId parameters = kNoObject;
    ObjectId buffers = kNoObject;
    ObjectId modules = kNoObject;
    ObjectId non_persistent = kNoObject;
    std::optional<bool> training;
  };
  ObjectId state_of(ObjectId id) const;
  std::optional<Fields> fields_of(ObjectId id);
  std::string class_of(ObjectId id) const;
  ObjectId compiled_module(ObjectId id) const;
  bool marked_as_module(ObjectId id) const;
  bool holds_only_layers_in_containers(ObjectId id);
  bool is_module(ObjectId id) { return fields_of(id) || compiled_module(id) != kNoObject; }
  /// Leaves a gap, once.
  void stop(std::string why);
  bool may_read(std::size_t entries);

  std::optional<ModuleId> add(ObjectId id, std::string path, std::optional<ModuleId> parent,
                              Registration registration);
  void add_tree(ObjectId id, std::string path, std::optional<ModuleId> parent,
                Registration registration);
  void fill(ModuleId module, const Fields& fields);
  std::vector<ModuleTensor> tensors_of(const Module& module, ObjectId mapping, TensorRole role);
  void find_open_modules(ObjectId root);
  void search_attributes(ModuleId holder);
  void search_container(ModuleId holder, std::string_view attribute, ObjectId value);
  bool is_leaf(ObjectId id) const;
  void push_children(const ObjectPlace& place, bool instances, std::vector<ObjectPlace>& stack);
  void add_tensor_attribute(ModuleId holder, std::string name, TensorId tensor);
  std::string_view container_name(ObjectId id, std::string& buffer) const;

  Artifact& artifact_;
  const ObjectTree& tree_;
  const Limits& limits_;
  std::vector<bool> seen_;  ///< containers that a walk has been through
  ReadingBudget looks_;     ///< entries of attributes, each of which is asked for several times
  ReadingBudget kept_;      ///< tensors of modules
  bool stopped_ = false;
  bool too_deep_ = false;
  std::unordered_map<ObjectId, ModuleId> known_;
};

/// The `__dict__` of an instance. torch.fx hands that of a GraphModule over as an argument:
/// reduce_graph_module(body, imports).
ObjectId Finder::state_of(ObjectId id) const {
  const Object::Call* call = tree_.as<Object::Call>(id);
  if (!call) return kNoObject;
  if (tree_.qualified_name(call->callable) == "torch.fx.graph_module.reduce_graph_module") {
    const auto arguments = arguments_of(tree_, call->arguments);
    return arguments.empty() ? kNoObject : arguments[0];
  }
  return tree_.attributes(id);
}

void Finder::stop(std::string why) {
  if (!stopped_) artifact_.add_gap("modules", std::move(why));
  stopped_ = true;
}

/// Whether so many more attributes may be looked at.
bool Finder::may_read(std::size_t entries) {
  if (!stopped_ && !looks_.take(entries)) stop("their attributes are shared by too many objects");
  return !stopped_;
}

/// The fields of an initialised nn.Module. One pass over its `__dict__`.
std::optional<Finder::Fields> Finder::fields_of(ObjectId id) {
  const Pairs* state = tree_.mapping(state_of(id));
  if (!state || !may_read(state->size())) return std::nullopt;
  Fields fields;
  for (const auto& [key, value] : *state) {
    const std::optional<std::string_view> name = tree_.text(key);
    if (name == "_parameters") fields.parameters = value;
    if (name == "_buffers") fields.buffers = value;
    if (name == "_modules") fields.modules = value;
    if (name == "_non_persistent_buffers_set") fields.non_persistent = value;
    if (name == "training") fields.training = boolean_of(tree_, value);
  }
  if (!tree_.mapping(fields.parameters) || !tree_.mapping(fields.modules)) return std::nullopt;
  return fields;
}

/// The class of an instance. In the legacy format the class of a module is a persistent id
/// ('module', class, source file, source text).
std::string Finder::class_of(ObjectId id) const {
  const Object::Call* call = tree_.as<Object::Call>(id);
  if (!call) return {};
  if (const Object::Persistent* persistent = tree_.as<Object::Persistent>(call->callable)) {
    const auto fields = arguments_of(tree_, persistent->id);
    return fields.size() > 1 ? tree_.qualified_name(fields[1]) : std::string();
  }
  const std::string name = tree_.qualified_name(call->callable);
  if (name == "copyreg._reconstructor" || name == "copyreg.__newobj__") {
    const auto arguments = arguments_of(tree_, call->arguments);
    return arguments.empty() ? name : tree_.qualified_name(arguments[0]);
  }
  return name;
}

bool Finder::marked_as_module(ObjectId id) const {
  const Object::Call* call = tree_.as<Object::Call>(id);
  const Object::Persistent* persistent =
      call ? tree_.as<Object::Persistent>(call->callable) : nullptr;
  if (!persistent) return false;
  const auto fields = arguments_of(tree_, persistent->id);
  return !fields.empty() && tree_.text(fields[0]) == "module";
}

/// The module inside what torch.compile returns: OptimizedModule(module, context).
ObjectId Finder::compiled_module(ObjectId id) const {
  const Object::Call* call = tree_.as<Object::Call>(id);
  if (!call || tree_.qualified_name(call->callable) != "torch._dynamo.eval_frame.OptimizedModule") {
    return kNoObject;
  }
  const auto arguments = arguments_of(tree_, call->arguments);
  return arguments.empty() ? kNoObject : arguments[0];
}

std::optional<ModuleId> Finder::add(ObjectId id, std::string path, std::optional<ModuleId> parent,
                                    Registration registration) {
  const auto module_id = static_cast<ModuleId>(artifact_.modules.size());
  if (!known_.emplace(id, module_id).second) return std::nullopt;
  Module module;
  module.path = std::move(path);
  module.class_name = class_of(id);
  module.parent = parent;
  module.registration = registration;
  module.object = id;
  artifact_.modules.push_back(std::move(module));
  return module_id;
}

std::vector<ModuleTensor> Finder::tensors_of(const Module& module, ObjectId mapping,
                                             TensorRole role) {
  std::vector<ModuleTensor> tensors;
  const Pairs* pairs = tree_.mapping(mapping);
  if (!pairs) return tensors;
  if (!kept_.take(pairs->size())) {
    stop("their tensors are shared by too many of them");
    return tensors;
  }
  for (const auto& [key, value] : *pairs) {
    const std::optional<std::string_view> name = tree_.text(key);
    if (!name) continue;
    ModuleTensor entry;
    entry.name = name->substr(0, kMaxObjectKey);
    if (const Object::TensorRef* reference = tree_.as<Object::TensorRef>(value)) {
      entry.tensor = reference->tensor;
      Tensor& tensor = artifact_.tensors[reference->tensor];
      std::string path = joined_path(module.path, *name);
      if (tensor.object_path.empty()) {
        tensor.object_path = std::move(path);
        tensor.role = role;
      } else if (tensor.aliases.size() < 64 && tensor.object_path != path) {
        tensor.aliases.push_back(std::move(path));
      }
    }
    tensors.push_back(std::move(entry));
  }
  return tensors;
}

void Finder::fill(ModuleId module_id, const Fields& fields) {
  Module& module = artifact_.modules[module_id];
  module.training = fields.training;
  module.parameters = tensors_of(module, fields.parameters, TensorRole::kParameter);
  module.buffers = tensors_of(module, fields.buffers, TensorRole::kBuffer);
  std::vector<std::string_view> transient;
  if (const Object::Set* names = tree_.as<Object::Set>(fields.non_persistent)) {
    for (const ObjectId name : names->items) transient.push_back(tree_.text(name).value_or(""));
  }
  std::sort(transient.begin(), transient.end());
  for (ModuleTensor& buffer : module.buffers) {
    buffer.persistent = !std::binary_search(transient.begin(), transient.end(), buffer.name);
  }
}

/// A module and everything below it that is registered, parents before children, in file order.
void Finder::add_tree(ObjectId id, std::string path, std::optional<ModuleId> parent,
                      Registration registration) {
  struct Item {
    ObjectId id;
    std::string name;
    std::string path;
    std::optional<ModuleId> parent;
  };
  std::vector<Item> stack;
  stack.push_back({id, "", std::move(path), parent});
  while (!stack.empty()) {
    Item item = std::move(stack.back());
    stack.pop_back();
    const bool child = !item.name.empty();
    const auto known = known_.find(item.id);
    const bool fresh = known == known_.end();
    const ModuleId module_id =
        fresh ? *add(item.id, item.path, item.parent, registration) : known->second;
    if (child) artifact_.modules[*item.parent].children.emplace_back(item.name, module_id);
    if (!fresh) continue;

    if (const ObjectId inner = compiled_module(item.id); inner != kNoObject) {
      if (is_module(inner)) {
        stack.push_back({inner, "_orig_mod", joined_path(item.path, "_orig_mod"), module_id});
      }
      continue;
    }
    const std::optional<Fields> fields = fields_of(item.id);
    if (stopped_) return;
    if (!fields) {
      // A class that saves itself in its own way (a tuple, a function) shows nothing either way.
      artifact_.modules[module_id].initialised = tree_.mapping(state_of(item.id)) == nullptr;
      continue;
    }
    fill(module_id, *fields);
    const Pairs& modules = *tree_.mapping(fields->modules);
    for (auto entry = modules.rbegin(); entry != modules.rend(); ++entry) {
      const std::optional<std::string_view> name = tree_.text(entry->first);
      if (!name || name->empty() || !tree_.as<Object::Call>(entry->second)) continue;
      stack.push_back({entry->second, std::string(name->substr(0, kMaxObjectKey)),
                       joined_path(item.path, *name), module_id});
    }
  }
}

/// True for what can neither be nor hold a module or a tensor.
bool Finder::is_leaf(ObjectId id) const {
  return !tree_.contains(id) || !(tree_.as<Object::Call>(id) || tree_.as<Object::TensorRef>(id) ||
                                  tree_.as<Object::List>(id) || tree_.as<Object::Dict>(id) ||
                                  tree_.as<Object::Tuple>(id) || tree_.as<Object::Set>(id));
}

/// Pushes what a container holds, last first, so that it is visited in the order of the file. With
/// `instances` also the attributes of objects that are no modules.
void Finder::push_children(const ObjectPlace& place, bool instances,
                           std::vector<ObjectPlace>& stack) {
  const std::size_t first = stack.size();
  if (place.depth >= limits_.object_depth) {
    if (!too_deep_) {
      artifact_.add_gap("modules",
                        "objects are nested deeper than " + std::to_string(limits_.object_depth));
    }
    too_deep_ = true;
    return;
  }
  const auto path = std::make_shared<const std::string>(path_of(tree_, place));
  const auto push = [&](ObjectId id, ObjectId key, std::size_t index) {
    if (!is_leaf(id)) stack.push_back({id, path, key, index, place.depth + 1, place.in_object});
  };
  const auto push_pairs = [&](const Pairs& pairs) {
    for (const auto& [key, value] : pairs) push(value, key, 0);
  };
  const auto push_items = [&](const std::vector<ObjectId>& items) {
    for (std::size_t i = 0; i < items.size(); ++i) push(items[i], kNoObject, i);
  };
  if (const Object::Set* set = tree_.as<Object::Set>(place.id)) {
    push_items(set->items);
  } else if (const std::vector<ObjectId>* items = tree_.sequence(place.id)) {
    push_items(*items);
  } else if (const Pairs* pairs = tree_.mapping(place.id)) {
    push_pairs(*pairs);
  }
  if (instances && tree_.as<Object::Call>(place.id)) {
    const std::size_t own = stack.size();
    const Pairs* attributes = tree_.mapping(tree_.attributes(place.id));
    if (attributes && may_read(attributes->size())) push_pairs(*attributes);
    for (std::size_t i = own; i < stack.size(); ++i) stack[i].in_object = true;
  }
  std::reverse(stack.begin() + static_cast<std::ptrdiff_t>(first), stack.end());
}

/// True for an instance that is an nn.Module whose author forgot super().__init__(), as far as the
/// zip format can tell: no attribute of it is a module (assigning one would have raised), but lists
/// or dicts among them hold layers of torch.nn, and nothing else.
bool Finder::holds_only_layers_in_containers(ObjectId id) {
  constexpr std::size_t kLookedAt = 10'000;
  const Pairs* attributes =
      tree_.as<Object::Call>(id) ? tree_.mapping(tree_.attributes(id)) : nullptr;
  if (!attributes || class_of(id).starts_with("torch.") || !may_read(attributes->size()))
    return false;
  std::size_t layers = 0, looked = 0;
  for (const auto& [key, value] : *attributes) {
    if (is_module(value)) return false;
    std::vector<ObjectPlace> inside;
    if (!tree_.as<Object::Call>(value)) push_children(root_place(value), false, inside);
    looked += inside.size();
    if (looked > kLookedAt || !may_read(inside.size())) return false;
    for (const ObjectPlace& place : inside) {
      if (!is_module(place.id)) continue;
      if (!class_of(place.id).starts_with("torch.nn.modules.")) return false;
      ++layers;
    }
  }
  return layers > 0;
}

/// Modules that stand in the open: the root itself, or reachable from it without going through
/// another module.
void Finder::find_open_modules(ObjectId root) {
  std::vector<ObjectPlace> stack = {root_place(root)};
  while (!stack.empty() && !stopped_) {
    const ObjectPlace place = std::move(stack.back());
    stack.pop_back();
    if (!tree_.contains(place.id) || seen_[place.id]) continue;
    seen_[place.id] = true;
    if (is_module(place.id) || marked_as_module(place.id) ||
        holds_only_layers_in_containers(place.id)) {
      add_tree(place.id, path_of(tree_, place), std::nullopt, Registration::kRegistered);
    } else {
      push_children(place, true, stack);
    }
  }
}

std::string_view Finder::container_name(ObjectId id, std::string& buffer) const {
  if (tree_.as<Object::List>(id)) return "list";
  if (tree_.as<Object::Tuple>(id)) return "tuple";
  if (tree_.as<Object::Dict>(id)) return "dict";
  if (const Object::Set* set = tree_.as<Object::Set>(id)) return set->frozen ? "frozenset" : "set";
  buffer = class_of(id);
  constexpr std::string_view kCollections = "collections.";
  const std::string_view name = buffer;
  return name.starts_with(kCollections) ? name.substr(kCollections.size()) : name;
}

void Finder::add_tensor_attribute(ModuleId holder, std::string name, TensorId id) {
  Tensor& tensor = artifact_.tensors[id];
  // A tensor that already has a role is registered somewhere and only mentioned here.
  if (tensor.role == TensorRole::kParameter || tensor.role == TensorRole::kBuffer) return;
  if (tensor.object_path.empty()) {
    const std::string& path = artifact_.modules[holder].path;
    tensor.object_path = joined_path(path, name);
    tensor.role = TensorRole::kAttribute;
  }
  artifact_.modules[holder].tensor_attributes.push_back({std::move(name), id, false});
}

/// Everything below one plain attribute of a module.
void Finder::search_container(ModuleId holder, std::string_view attribute, ObjectId value) {
  std::string buffer;
  const std::string container(container_name(value, buffer));
  const std::string base = joined_path(artifact_.modules[holder].path, attribute);
  std::vector<ObjectPlace> stack = {root_place(value, base)};
  while (!stack.empty() && !stopped_) {
    const ObjectPlace place = std::move(stack.back());
    stack.pop_back();
    if (!tree_.contains(place.id)) continue;
    if (const Object::TensorRef* reference = tree_.as<Object::TensorRef>(place.id)) {
      // Tensors of a list or dict are the module's; those inside other objects are theirs.
      if (place.in_object) continue;
      const std::string prefix = joined_path(artifact_.modules[holder].path, "");
      const std::string path = path_of(tree_, place);
      add_tensor_attribute(holder, path.substr(std::min(prefix.size(), path.size())),
                           reference->tensor);
      continue;
    }
    if (seen_[place.id] || known_.contains(place.id)) continue;
    seen_[place.id] = true;
    if (!is_module(place.id)) {
      push_children(place, true, stack);
      continue;
    }
    const auto first = artifact_.modules.size();
    add_tree(place.id, path_of(tree_, place), holder, Registration::kUnregistered);
    Module& module = artifact_.modules[first];
    module.held_by_attribute = attribute;
    // A module that is an attribute itself was put there past nn.Module.__setattr__.
    if (place.id != value) module.held_by_container = container;
  }
}

void Finder::search_attributes(ModuleId holder) {
  const Pairs* attributes = tree_.mapping(state_of(artifact_.modules[holder].object));
  if (!attributes || compiled_module(artifact_.modules[holder].object) != kNoObject) return;
  if (!may_read(attributes->size())) return;
  for (const auto& [key, value] : *attributes) {
    const std::optional<std::string_view> name = tree_.text(key);
    if (!name) continue;
    const bool own = std::find(std::begin(kBookkeeping), std::end(kBookkeeping), *name) ==
                     std::end(kBookkeeping);
    if (own) search_container(holder, name->substr(0, kMaxObjectKey), value);
  }
}

void Finder::run(ObjectId root) {
  find_open_modules(root);
  // The list grows while it is walked: unregistered modules have attributes too.
  for (ModuleId module = 0; module < artifact_.modules.size(); ++module) search_attributes(module);
  // Half of a model shows things that are not so: no parameters, an unregistered layer.
  if (stopped_) artifact_.modules.clear();
}

}  // namespace

void find_pickled_modules(Artifact& artifact, ObjectId root, const Limits& limits) {
  Finder(artifact, limits).run(root);
}

}  // namespace torchvet
