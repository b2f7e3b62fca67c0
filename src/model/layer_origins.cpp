#include "model/layer_origins.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace torchvet {
namespace {

constexpr std::uint32_t kRegistered = kFromParameter | kFromBuffer | kFromTensorAttribute;

bool is_norm(std::string_view op) {
  return op.find("_norm") != std::string_view::npos || op.find("prelu") != std::string_view::npos ||
         op.find("batch_norm") != std::string_view::npos;
}

/// Slots of one node, in order.
struct NodeSlots {
  const Graph* graph = nullptr;
  const Node* node = nullptr;
  std::vector<const WeightSlot*> slots;
};

/// The nodes with weight slots of all methods. A node that another method holds as well, because
/// both call the same submodule, is taken once: the same operator, module and line.
std::vector<NodeSlots> nodes_with_slots(const Artifact& artifact) {
  std::vector<NodeSlots> all;
  std::set<std::tuple<std::string, std::string, std::string, std::uint64_t>> earlier;
  for (const Graph& graph : artifact.graphs) {
    const std::size_t first = all.size();
    for (const WeightSlot& slot : graph.facts.weight_slots) {
      const Node* node = &graph.nodes[slot.node];
      if (all.size() == first || all.back().node != node) all.push_back({&graph, node, {}});
      all.back().slots.push_back(&slot);
    }
    const auto key = [](const Node& node) {
      const SourceLine* line = user_frame(node);
      return std::tuple(node.op, node.module_path, line ? line->file : std::string(),
                        line ? line->line : 0);
    };
    if (&graph != &artifact.graphs.front()) {
      const auto is_known = [&](const NodeSlots& slots) {
        return earlier.contains(key(*slots.node));
      };
      all.erase(
          std::remove_if(all.begin() + static_cast<std::ptrdiff_t>(first), all.end(), is_known),
          all.end());
    }
    for (std::size_t i = first; i < all.size(); ++i) earlier.insert(key(*all[i].node));
  }
  return all;
}

bool is_fresh_random(const Origin& origin) { return origin.only(kFromRandom | kFromUninitialised); }

/// What a slot that holds nothing but fresh numbers says; see the table in REG002's page.
Suspicion judge_created(const WeightSlot& slot, bool several) {
  const bool after_weights = (slot.data_leaves & kFromParameter) != 0;
  if (slot.certain) {
    if (slot.origin.starts_at_empty || several || after_weights) return Suspicion::kCertain;
    return Suspicion::kPossible;
  }
  if (!slot.origin.default_bounds || several) return Suspicion::kLikely;
  return Suspicion::kPossible;
}

/// True in a block that runs only while a `training` attribute is true.
bool is_for_training_only(const Graph& graph, const Node& node) {
  for (BlockId block = node.block; graph.blocks[block].node;) {
    const Node& branch = graph.nodes[*graph.blocks[block].node];
    if (branch.op == "prim::If" && !branch.inputs.empty() && branch.blocks.front() == block) {
      const std::optional<std::string>& flag = graph.values[branch.inputs[0].value].attribute;
      if (flag && (*flag == "training" || flag->ends_with(".training"))) return true;
    }
    block = branch.block;
  }
  return false;
}

/// `empty` then `fill_`: what nn.LayerNorm and its like do to their weight and bias.
bool is_filled_norm(const NodeSlots& layer) {
  if (!is_norm(layer.node->op)) return false;
  return std::any_of(layer.slots.begin(), layer.slots.end(), [](const WeightSlot* slot) {
    return slot->argument == "weight" && slot->origin.only(kFromDeterministic) &&
           slot->origin.filled;
  });
}

const Tensor* constant_tensor(const Artifact& artifact, std::uint32_t index) {
  if (index >= artifact.graph_constants.size()) return nullptr;
  const TensorId id = artifact.graph_constants[index];
  return id < artifact.tensors.size() ? &artifact.tensors[id] : nullptr;
}

bool all_are(const Tensor* tensor, double number) {
  return tensor != nullptr && tensor->values && tensor->values->all_equal &&
         tensor->values->first == number;
}

void read_constants(const Artifact& artifact, ConstantLayer& layer) {
  bool ones = false, zeros = false;
  for (const WeightSlot* slot : layer.slots) {
    for (const std::uint32_t index : slot->origin.constants) {
      const Tensor* tensor = constant_tensor(artifact, index);
      if (tensor == nullptr || !tensor->values) continue;
      const std::optional<FingerprintEvidence>& mark = tensor->values->fingerprint;
      if (mark && mark->kind != InitFingerprint::kNone) layer.untouched = tensor;
      ones = ones || (slot->argument == "weight" && all_are(tensor, 1));
      zeros = zeros || (slot->argument == "bias" && all_are(tensor, 0));
    }
  }
  layer.fresh_norm = is_norm(layer.node->op) && ones && zeros;
}

bool is_main_slot(std::string_view argument) {
  return argument.find("bias") == std::string_view::npos && !argument.starts_with("b_") &&
         argument != "self";
}

std::string pattern_of(std::string_view path) {
  std::string pattern;
  for (std::size_t i = 0; i < path.size();) {
    if (path[i] < '0' || path[i] > '9') {
      pattern += path[i++];
      continue;
    }
    pattern += '#';
    while (i < path.size() && path[i] >= '0' && path[i] <= '9') ++i;
  }
  return pattern;
}

/// What the graphs read: paths, and the storages that lie behind them.
class Reads {
 public:
  explicit Reads(const Artifact& artifact) : artifact_(artifact) {
    for (const Graph& graph : artifact.graphs) {
      paths_.insert(graph.facts.attributes_read.begin(), graph.facts.attributes_read.end());
    }
    for (const Tensor& tensor : artifact.tensors) {
      const bool read = reads_path(tensor.object_path) ||
                        std::any_of(tensor.aliases.begin(), tensor.aliases.end(),
                                    [&](const std::string& alias) { return reads_path(alias); });
      if (read && tensor.storage) storages_.insert(*tensor.storage);
    }
  }

  [[nodiscard]] bool reads(TensorId id) const {
    const Tensor& tensor = artifact_.tensors[id];
    if (tensor.storage && storages_.contains(*tensor.storage)) return true;
    return reads_path(tensor.object_path);
  }

 private:
  /// The path itself, a list that holds it, or a module handed on as a whole.
  [[nodiscard]] bool reads_path(std::string_view path) const {
    if (path.empty()) return false;
    if (paths_.contains(std::string(path)) || paths_.contains("")) return true;
    for (std::size_t at = path.find_first_of(".["); at != std::string_view::npos;
         at = path.find_first_of(".[", at + 1)) {
      if (paths_.contains(std::string(path.substr(0, at)))) return true;
    }
    return false;
  }

  const Artifact& artifact_;
  std::unordered_set<std::string> paths_;
  std::unordered_set<StorageId> storages_;
};

/// Placeholders that only training uses: `mask_token`, `masked_spec_embed`.
bool is_mask(std::string_view name, const Tensor& tensor) {
  return name.find("mask") != std::string_view::npos &&
         (tensor.shape.size() == 1 || (!tensor.shape.empty() && tensor.shape[0] == 1));
}

}  // namespace

std::vector<CreatedLayer> created_layers(const Artifact& artifact) {
  std::vector<CreatedLayer> created;
  for (const NodeSlots& layer : nodes_with_slots(artifact)) {
    CreatedLayer found{layer.graph, layer.node, {}, Suspicion::kNote};
    for (const WeightSlot* slot : layer.slots) {
      if (!slot->statistic && is_fresh_random(slot->origin)) found.slots.push_back(slot);
    }
    for (const WeightSlot* slot : found.slots) {
      found.suspicion = std::max(found.suspicion, judge_created(*slot, found.slots.size() > 1));
    }
    if (found.slots.empty() && is_filled_norm(layer)) {
      found.suspicion = Suspicion::kCertain;
      for (const WeightSlot* slot : layer.slots) {
        if (!slot->statistic && slot->origin.filled) found.slots.push_back(slot);
      }
    }
    // Where a random kernel may be an augmentation, being used in training only settles it.
    if (found.suspicion == Suspicion::kPossible &&
        is_for_training_only(*found.graph, *found.node)) {
      continue;
    }
    if (!found.slots.empty()) created.push_back(std::move(found));
  }
  return created;
}

std::vector<ConstantLayer> constant_layers(const Artifact& artifact) {
  std::vector<ConstantLayer> layers;
  for (const NodeSlots& node : nodes_with_slots(artifact)) {
    ConstantLayer layer;
    layer.graph = node.graph;
    layer.node = node.node;
    std::size_t main = 0;
    for (const WeightSlot* slot : node.slots) {
      const Origin& origin = slot->origin;
      if (slot->statistic || !origin.any(kFromConstant) ||
          !origin.only(kFromConstant | kFromDeterministic)) {
        continue;
      }
      if (is_main_slot(slot->argument)) ++main;
      layer.slots.push_back(slot);
      layer.certain_slot = slot->certain;
    }
    if (main == 0) continue;  // a constant bias alone is no layer
    layer.weight_and_bias = layer.slots.size() >= 2;
    layer.called_by_module = called_by_nn_module(*node.node);
    read_constants(artifact, layer);
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<TensorId> slot_constants(const Artifact& artifact) {
  std::set<TensorId> ids;
  for (const Graph& graph : artifact.graphs) {
    for (const WeightSlot& slot : graph.facts.weight_slots) {
      for (const std::uint32_t index : slot.origin.constants) {
        if (index < artifact.graph_constants.size()) ids.insert(artifact.graph_constants[index]);
      }
    }
  }
  return {ids.begin(), ids.end()};
}

ProgramState program_state(const Artifact& artifact) {
  ProgramState state;
  for (const Module& module : artifact.modules) {
    for (const ModuleTensor& tensor : module.parameters) state.parameters += tensor.tensor ? 1 : 0;
    for (const ModuleTensor& tensor : module.buffers) state.buffers += tensor.tensor ? 1 : 0;
    state.others = state.others || !module.tensor_attributes.empty();
  }
  for (const Graph& graph : artifact.graphs) {
    for (const WeightSlot& slot : graph.facts.weight_slots) {
      state.others = state.others || slot.origin.any(kRegistered);
    }
  }
  return state;
}

const Node* reader_of_constant(const Artifact& artifact, std::uint32_t constant) {
  for (const Graph& graph : artifact.graphs) {
    for (const Node& node : graph.nodes) {
      for (const NodeInput& input : node.inputs) {
        const std::optional<Literal>& literal = graph.values[input.value].literal;
        if (!literal) continue;
        const auto* taken = std::get_if<Literal::Constant>(&literal->value);
        if (taken != nullptr && taken->index == constant) return &node;
      }
    }
  }
  return nullptr;
}

bool is_frozen(const Artifact& artifact) {
  return artifact.script && !artifact.script->has_training_flags;
}

UnreadParameters unread_parameters(const Artifact& artifact) {
  UnreadParameters unread;
  if (artifact.graphs.empty()) return unread;
  for (const Gap& gap : artifact.gaps) {
    if (gap.what.starts_with("graph") || gap.what == "code" || gap.what == "modules") return unread;
  }
  const Reads reads(artifact);
  std::unordered_set<std::string> read_patterns;
  std::vector<const Module*> silent;
  for (const Module& module : artifact.modules) {
    std::size_t read = 0, own = 0;
    bool has_weight = false;
    for (const ModuleTensor& parameter : module.parameters) {
      if (!parameter.tensor) continue;
      ++own;
      has_weight = has_weight || parameter.name == "weight";
      if (reads.reads(*parameter.tensor)) ++read;
    }
    if (read > 0) read_patterns.insert(pattern_of(module.path));
    if (own > 0 && read == 0 && has_weight && module.children.empty()) {
      silent.push_back(&module);
      continue;
    }
    for (const ModuleTensor& parameter : module.parameters) {
      if (!parameter.tensor || reads.reads(*parameter.tensor)) continue;
      if (is_mask(parameter.name, artifact.tensors[*parameter.tensor])) continue;
      unread.tensors.push_back(module.path.empty() ? parameter.name
                                                   : module.path + "." + parameter.name);
    }
  }
  for (const Module* module : silent) {
    if (!read_patterns.contains(pattern_of(module->path))) {
      unread.modules.push_back(module->path);
      continue;
    }
    for (const ModuleTensor& parameter : module->parameters) {
      if (parameter.tensor) unread.tensors.push_back(module->path + "." + parameter.name);
    }
  }
  return unread;
}

std::vector<std::string> model_devices(const Artifact& artifact) {
  std::set<std::string> parameters, buffers;
  for (const Module& module : artifact.modules) {
    const auto add = [&](const std::vector<ModuleTensor>& tensors, std::set<std::string>& devices) {
      for (const ModuleTensor& tensor : tensors) {
        if (!tensor.tensor) continue;
        const std::string& device = artifact.tensors[*tensor.tensor].device;
        if (!device.empty() && device != "meta") devices.insert(device);
      }
    };
    add(module.parameters, parameters);
    add(module.buffers, buffers);
  }
  const std::set<std::string>& chosen = parameters.empty() ? buffers : parameters;
  return {chosen.begin(), chosen.end()};
}

std::string_view device_type(std::string_view device) { return device.substr(0, device.find(':')); }

bool same_device(std::string_view a, std::string_view b) {
  if (device_type(a) != device_type(b)) return false;
  const auto index = [](std::string_view device) {
    const std::size_t colon = device.find(':');
    return colon == std::string_view::npos ? std::string_view("0") : device.substr(colon + 1);
  };
  return index(a) == index(b);
}

std::string slots_text(const std::vector<const WeightSlot*>& slots) {
  if (slots.size() > 2) return "the parameters";
  std::string text = "the ";
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (i > 0) text += " and ";
    text += slots[i]->argument;
  }
  return text;
}

}  // namespace torchvet
