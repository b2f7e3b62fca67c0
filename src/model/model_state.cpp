#include "model/model_state.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_set>
#include <utility>

#include "model/artifact.h"
#include "model/object_place.h"
#include "model/reading_budget.h"

// What a checkpoint means is a matter of habit: nobody writes down that this dict is the model and
// that one the optimizer. The walk goes over every container once and asks of each mapping whether
// it looks like an optimizer, then whether it looks like a state_dict; it does not go into either.
namespace torchvet {
namespace {

using Pairs = std::vector<std::pair<ObjectId, ObjectId>>;

constexpr std::size_t kMaxDepth = 10'000;

/// Words of a path, in lower case: "model_EMA.module" is model, ema, module.
std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> words(1);
  for (const char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

template <std::size_t N>
bool any_word(const std::vector<std::string>& words, const std::array<std::string_view, N>& known) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(known.begin(), known.end(), word) != known.end();
  });
}

constexpr std::array<std::string_view, 6> kAverageWords = {"ema",     "swa",      "avg",
                                                           "average", "averaged", "shadow"};
constexpr std::array<std::string_view, 8> kModelWords = {
    "model", "net", "network", "module", "weights", "params", "state", "generator"};
/// Keys that say that a training run can go on from this file.
constexpr std::array<std::string_view, 16> kTrainingKeys = {"epoch",
                                                            "epochs",
                                                            "step",
                                                            "global_step",
                                                            "iteration",
                                                            "iter",
                                                            "optimizer",
                                                            "optim",
                                                            "optimizer_state_dict",
                                                            "optimizer_states",
                                                            "scheduler",
                                                            "lr_scheduler",
                                                            "lr_schedulers",
                                                            "scaler",
                                                            "best_acc",
                                                            "best_loss"};

class Describer {
 public:
  explicit Describer(Artifact& artifact)
      : artifact_(artifact),
        tree_(artifact.objects),
        seen_(artifact.objects.size(), false),
        entries_(artifact, 4) {}

  void run(ObjectId root);

 private:
  bool take_optimizer(const ObjectPlace& place);
  bool take_state_dict(const ObjectPlace& place);
  bool may_read(std::size_t entries);
  void read_groups(ObjectId groups, OptimizerState& optimizer);
  void read_state(ObjectId state, OptimizerState& optimizer);
  void push_children(const ObjectPlace& place);
  void add_module_states();
  void set_roles();
  void order_state_dicts();
  Kind kind_of(ObjectId root) const;

  Artifact& artifact_;
  const ObjectTree& tree_;
  std::vector<bool> seen_;
  std::vector<ObjectPlace> stack_;
  ReadingBudget entries_;  ///< of optimizers and state_dicts
  bool stopped_ = false;
};

/// A parameter's key as text: a number, or a name. A whole pickled optimizer lists the parameters
/// themselves: their paths serve.
std::optional<ParameterKey> key_of(const Artifact& artifact, ObjectId id) {
  const ObjectTree& tree = artifact.objects;
  if (const auto* tensor = tree.as<Object::TensorRef>(id)) {
    return artifact.tensors[tensor->tensor].object_path;
  }
  if (const auto number = tree.integer(id)) return std::to_string(*number);
  if (const auto text = tree.text(id)) return ParameterKey(text->substr(0, kMaxObjectKey));
  if (const auto* big = tree.as<Object::BigInt>(id)) return big->decimal.substr(0, kMaxObjectKey);
  return std::nullopt;
}

/// Whether so many more entries may be read; leaves a gap, once, when not.
bool Describer::may_read(std::size_t entries) {
  if (!stopped_ && !entries_.take(entries)) {
    stopped_ = true;
    artifact_.add_gap("optimizers", "their entries are shared by too many objects");
  }
  return !stopped_;
}

void Describer::read_groups(ObjectId groups, OptimizerState& optimizer) {
  for (const ObjectId group : *tree_.sequence(groups)) {
    ParamGroup read;
    // Two look-ups and one pass over the options.
    const Pairs* options = tree_.mapping(group);
    if (!may_read(1 + (options ? 3 * options->size() : 0))) return;
    if (const auto* params = tree_.sequence(tree_.get(group, "params"))) {
      if (!may_read(params->size())) return;
      for (const ObjectId param : *params) {
        if (auto key = key_of(artifact_, param)) {
          read.params.push_back(std::move(*key));
        } else {
          ++read.unreadable;
        }
      }
    }
    if (const auto* names = tree_.sequence(tree_.get(group, "param_names"))) {
      if (!may_read(names->size())) return;
      for (const ObjectId name : *names) {
        read.param_names.emplace_back(tree_.text(name).value_or("").substr(0, kMaxObjectKey));
      }
    }
    if (options) {
      for (const auto& [key, value] : *options) {
        const auto name = tree_.text(key);
        const auto number = tree_.number(value);
        if (name && number) read.numbers.emplace_back(name->substr(0, kMaxObjectKey), *number);
      }
    }
    optimizer.groups.push_back(std::move(read));
  }
}

void Describer::read_state(ObjectId state, OptimizerState& optimizer) {
  if (!may_read(tree_.mapping(state)->size())) return;
  for (const auto& [key, slots] : *tree_.mapping(state)) {
    std::optional<ParameterKey> name = key_of(artifact_, key);
    if (!name) continue;
    OptimizerEntry entry;
    entry.key = std::move(*name);
    if (const Pairs* pairs = tree_.mapping(slots)) {
      if (!may_read(pairs->size())) return;
      for (const auto& [slot_key, value] : *pairs) {
        const std::string_view slot = tree_.text(slot_key).value_or("").substr(0, kMaxObjectKey);
        const auto* tensor = tree_.as<Object::TensorRef>(value);
        if (slot == "step") {
          entry.step = tree_.number(value);
          if (tensor) entry.step_tensor = tensor->tensor;
        }
        if (!tensor) {
          if (slot != "step") entry.others.emplace_back(slot);
          continue;
        }
        artifact_.tensors[tensor->tensor].role = TensorRole::kOptimizer;
        if (slot != "step") entry.slots.emplace_back(slot, tensor->tensor);
      }
    }
    optimizer.state.push_back(std::move(entry));
  }
}

bool Describer::take_optimizer(const ObjectPlace& place) {
  ObjectId holder = place.id;
  if (tree_.get(holder, "param_groups") == kNoObject) holder = tree_.attributes(place.id);
  const ObjectId state = tree_.get(holder, "state");
  const ObjectId groups = tree_.get(holder, "param_groups");
  if (!tree_.mapping(state) || !tree_.sequence(groups)) return false;
  OptimizerState optimizer;
  optimizer.path = path_of(tree_, place);
  optimizer.object = place.id;
  read_groups(groups, optimizer);
  read_state(state, optimizer);
  if (stopped_) return true;  // half an optimizer shows things that are not so
  artifact_.optimizers.push_back(std::move(optimizer));
  return true;
}

/// The names in the `_metadata` that nn.Module.state_dict() sets on its result: every submodule.
std::optional<std::vector<std::string>> module_names(const ObjectTree& tree, ObjectId mapping) {
  if (!tree.as<Object::Call>(mapping)) return std::nullopt;
  const Pairs* metadata = tree.mapping(tree.get(tree.attributes(mapping), "_metadata"));
  if (!metadata) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [key, value] : *metadata) {
    if (const auto name = tree.text(key)) names.emplace_back(name->substr(0, kMaxObjectPath));
  }
  return names;
}

bool can_be_a_weight(DType dtype) {
  switch (dtype) {
    case DType::kComplex32:
    case DType::kComplex64:
    case DType::kComplex128:
    case DType::kQint8:
    case DType::kQuint8:
    case DType::kQint32:
    case DType::kQuint4x2:
    case DType::kQuint2x4:
      return true;
    default:
      return is_floating_point(dtype);
  }
}

bool Describer::take_state_dict(const ObjectPlace& place) {
  const Pairs* pairs = tree_.mapping(place.id);
  if (!pairs) return false;
  StateDict state;
  state.path = path_of(tree_, place);
  state.object = place.id;
  state.modules = module_names(tree_, place.id);
  std::size_t others = 0;
  bool weight = false;
  for (const auto& [key, value] : *pairs) {
    const std::optional<std::string_view> name = tree_.text(key);
    if (!name) return false;
    if (const auto* tensor = tree_.as<Object::TensorRef>(value)) {
      weight = weight || can_be_a_weight(artifact_.tensors[tensor->tensor].dtype);
      state.entries.push_back({std::string(name->substr(0, kMaxObjectPath)), tensor->tensor});
      continue;
    }
    ++others;
    // `get_extra_state` and packed parameters of quantized layers may be anything; without
    // `_metadata` only plain values may stand beside tensors.
    const bool plain = tree_.number(value) || tree_.text(value) || tree_.as<bool>(value) ||
                       tree_.as<Object::None>(value);
    if (!state.modules && !plain) return false;
  }
  if (!state.modules) {
    if (!weight || others > state.entries.size()) return false;
    // Somewhere inside a file any dict may hold a few tensors: its name or theirs must say more.
    const bool named = std::any_of(state.entries.begin(), state.entries.end(), [](const auto& e) {
      return e.name.find('.') != std::string::npos || e.name == "weight" || e.name == "bias";
    });
    if (!named && !state.path.empty() && !any_word(words_of(state.path), kModelWords)) return false;
  }
  state.is_average = names_average(state.path);
  artifact_.state_dicts.push_back(std::move(state));
  return true;
}

void Describer::push_children(const ObjectPlace& place) {
  if (place.depth >= kMaxDepth) return;
  const std::size_t first = stack_.size();
  const auto path = std::make_shared<const std::string>(path_of(tree_, place));
  const auto push = [&](ObjectId id, ObjectId key, std::size_t index) {
    if (tree_.mapping(id) || tree_.sequence(id) || tree_.as<Object::Call>(id)) {
      stack_.push_back({id, path, key, index, place.depth + 1});
    }
  };
  const auto push_pairs = [&](const Pairs& pairs) {
    for (const auto& [key, value] : pairs) push(value, key, 0);
  };
  if (const auto* items = tree_.sequence(place.id)) {
    for (std::size_t i = 0; i < items->size(); ++i) push((*items)[i], kNoObject, i);
  } else if (const Pairs* pairs = tree_.mapping(place.id)) {
    push_pairs(*pairs);
  }
  if (tree_.as<Object::Call>(place.id)) {
    const Pairs* attributes = tree_.mapping(tree_.attributes(place.id));
    if (attributes && may_read(attributes->size())) push_pairs(*attributes);
  }
  std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
}

void Describer::run(ObjectId root) {
  // Pickled modules are described already; what is inside them is no dict of the checkpoint.
  for (const Module& module : artifact_.modules) {
    if (module.object < seen_.size()) seen_[module.object] = true;
  }
  stack_.push_back(root_place(root));
  while (!stack_.empty() && !stopped_) {
    const ObjectPlace place = std::move(stack_.back());
    stack_.pop_back();
    if (!tree_.contains(place.id) || seen_[place.id]) continue;
    seen_[place.id] = true;
    if (take_optimizer(place) || take_state_dict(place)) continue;
    push_children(place);
  }
  add_module_states();
  set_roles();
  order_state_dicts();
  artifact_.kind = kind_of(root);
}

/// The state_dict that each whole module in the file would have.
void Describer::add_module_states() {
  for (ModuleId id = 0; id < artifact_.modules.size(); ++id) {
    const Module& module = artifact_.modules[id];
    if (module.parent || module.registration != Registration::kRegistered) continue;
    StateDict state = state_of_module(artifact_, id);
    state.is_average = names_average(state.path);
    artifact_.state_dicts.push_back(std::move(state));
  }
}

void Describer::set_roles() {
  for (const StateDict& state : artifact_.state_dicts) {
    for (const StateEntry& entry : state.entries) {
      Tensor& tensor = artifact_.tensors[entry.tensor];
      if (tensor.role != TensorRole::kOther) continue;
      tensor.role = is_buffer_like(entry.name) ? TensorRole::kBuffer : TensorRole::kParameter;
    }
  }
}

void Describer::order_state_dicts() {
  struct Rank {
    bool average;
    bool unnamed;
    std::uint64_t elements;
  };
  const auto rank = [&](const StateDict& state) {
    Rank r{state.is_average, !state.path.empty() && !any_word(words_of(state.path), kModelWords),
           0};
    for (const StateEntry& entry : state.entries) {
      const std::uint64_t count = artifact_.tensors[entry.tensor].element_count().value_or(0);
      if (__builtin_add_overflow(r.elements, count, &r.elements)) r.elements = UINT64_MAX;
    }
    return r;
  };
  std::vector<std::pair<Rank, StateDict>> ranked;
  for (StateDict& state : artifact_.state_dicts) {
    const Rank r = rank(state);
    ranked.emplace_back(r, std::move(state));
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    if (a.first.average != b.first.average) return b.first.average;
    if (a.first.unnamed != b.first.unnamed) return b.first.unnamed;
    return a.first.elements > b.first.elements;
  });
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    artifact_.state_dicts[i] = std::move(ranked[i].second);
  }
}

Kind Describer::kind_of(ObjectId root) const {
  if (!artifact_.modules.empty() && artifact_.modules[0].object == root) {
    return Kind::kPickledModule;
  }
  if (!artifact_.optimizers.empty()) return Kind::kCheckpoint;
  if (!artifact_.state_dicts.empty()) {
    if (artifact_.state_dicts.front().object == root) return Kind::kStateDict;
    if (const Pairs* pairs = tree_.mapping(root)) {
      for (const auto& [key, value] : *pairs) {
        const auto name = tree_.text(key);
        if (name &&
            std::find(kTrainingKeys.begin(), kTrainingKeys.end(), *name) != kTrainingKeys.end()) {
          return Kind::kCheckpoint;
        }
      }
    }
    return artifact_.modules.empty() ? Kind::kStateDict : Kind::kPickledModule;
  }
  return artifact_.tensors.empty() ? Kind::kObjects : Kind::kTensors;
}

}  // namespace

std::optional<TensorId> StateDict::find(std::string_view name) const {
  for (const StateEntry& entry : entries) {
    if (entry.name == name) return entry.tensor;
  }
  return std::nullopt;
}

std::string_view module_of(std::string_view tensor_name) {
  const std::size_t dot = tensor_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : tensor_name.substr(0, dot);
}

std::string_view leaf_of(std::string_view tensor_name) {
  const std::size_t dot = tensor_name.rfind('.');
  return dot == std::string_view::npos ? tensor_name : tensor_name.substr(dot + 1);
}

bool names_average(std::string_view path) { return any_word(words_of(path), kAverageWords); }

bool is_buffer_like(std::string_view tensor_name) {
  constexpr std::array<std::string_view, 14> kBufferNames = {
      "running_mean", "running_var",   "num_batches_tracked",     "position_ids",
      "inv_freq",     "attn_mask",     "relative_position_index", "relative_coords_table",
      "mask",         "bias_mask",     "_float_tensor",           "weight_mask",
      "n_averaged",   "token_type_ids"};
  const std::string_view leaf = leaf_of(tensor_name);
  return std::find(kBufferNames.begin(), kBufferNames.end(), leaf) != kBufferNames.end();
}

StateDict state_of_module(const Artifact& artifact, ModuleId root) {
  StateDict state;
  state.path = artifact.modules[root].path;
  state.object = artifact.modules[root].object;
  state.modules.emplace();
  struct Item {
    ModuleId module;
    std::string name;
  };
  // A module may be registered under several names; cycles end because each is entered once on a
  // path from the root, and the depth of the stack is that of the registered tree.
  std::unordered_set<ModuleId> entered;
  std::vector<Item> stack;
  stack.push_back({root, ""});
  while (!stack.empty()) {
    const Item item = std::move(stack.back());
    stack.pop_back();
    if (!entered.insert(item.module).second) continue;
    const Module& module = artifact.modules[item.module];
    state.modules->push_back(item.name);
    for (const ModuleTensor& parameter : module.parameters) {
      if (parameter.tensor) {
        state.entries.push_back({joined_path(item.name, parameter.name), *parameter.tensor});
      }
    }
    for (const ModuleTensor& buffer : module.buffers) {
      if (buffer.tensor && buffer.persistent) {
        state.entries.push_back({joined_path(item.name, buffer.name), *buffer.tensor});
      }
    }
    for (auto child = module.children.rbegin(); child != module.children.rend(); ++child) {
      stack.push_back({child->second, joined_path(item.name, child->first)});
    }
  }
  return state;
}

void describe_objects(Artifact& artifact, ObjectId root) { Describer(artifact).run(root); }

void describe_named_tensors(Artifact& artifact) {
  StateDict state;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    Tensor& tensor = artifact.tensors[id];
    state.entries.push_back({tensor.object_path, id});
    for (const std::string& alias : tensor.aliases) state.entries.push_back({alias, id});
    tensor.role = is_buffer_like(tensor.object_path) ? TensorRole::kBuffer : TensorRole::kParameter;
  }
  artifact.state_dicts.push_back(std::move(state));
  artifact.kind = Kind::kStateDict;
}

}  // namespace torchvet
