// What feeds a weight slot, and what else the graph rules want to know.
//
// Every parametric operator has arguments that should be a registered parameter or buffer. We ask
// of each where its numbers come from, and answer with the leaves of its whole backward slice:
//
//   linear(x, self.weight)                            a parameter: registered
//   linear(x, self.v * (self.g / norm(self.v)))       parameters: registered (weight norm)
//   linear(x, self.base + self.a @ self.b)            parameters: registered (LoRA)
//   linear(x, hyper(z))                               an input and parameters: a hyper-network
//   linear(x, empty([4, 16]).uniform_(-0.25, 0.25))   random alone: made in forward()
//   linear(x, CONSTANTS.c0)                           a constant: a layer that was baked in
//
// The whole slice, not just the first operator: arithmetic on a parameter stays registered, however
// long it is. What depends on shapes alone is no leaf: sizes, `*_like`, `new_*`.
//
// `matmul` and its kin have no weight side. There the question arises only where the other operand
// is an activation, that is, has an argument of the method in its slice.
//
// flow.cpp finds the definition that each slot reads (views, in-place writes, lists, blocks),
// origin.cpp walks back from it for the details, op_table.cpp holds what is known of operators.
#include "graph/provenance.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "graph/attribute_numbers.h"
#include "graph/closed_branches.h"
#include "graph/flow.h"
#include "graph/op_table.h"
#include "graph/origin.h"
#include "graph/reach.h"
#include "graph/reused_norms.h"
#include "graph/scores.h"
#include "graph/thrown_calls.h"
#include "graph/training_flags.h"

namespace torchvet {
namespace {

using Leaves = std::unordered_map<std::string_view, std::uint32_t>;

/// The module attributes that hold tensors. The views point into `paths`.
struct Attributes {
  std::vector<std::string> paths;
  Leaves leaves;
};

Attributes attributes_of(const Artifact& artifact) {
  Attributes made;
  std::vector<std::uint32_t> leaves;
  const auto add = [&](const Module& module, const std::vector<ModuleTensor>& tensors,
                       std::uint32_t leaf) {
    for (const ModuleTensor& tensor : tensors) {
      made.paths.push_back(module.path.empty() ? tensor.name : module.path + "." + tensor.name);
      leaves.push_back(leaf);
    }
  };
  for (const Module& module : artifact.modules) {
    add(module, module.parameters, kFromParameter);
    add(module, module.buffers, kFromBuffer);
    add(module, module.tensor_attributes, kFromTensorAttribute);
  }
  for (const Tensor& tensor : artifact.tensors) {
    const std::uint32_t leaf = tensor.role == TensorRole::kParameter ? kFromParameter
                               : tensor.role == TensorRole::kBuffer  ? kFromBuffer
                                                                     : 0u;
    if (leaf == 0) continue;
    for (const std::string& alias : tensor.aliases) {
      made.paths.push_back(alias);
      leaves.push_back(leaf);
    }
  }
  for (std::size_t i = 0; i < made.paths.size(); ++i) made.leaves.emplace(made.paths[i], leaves[i]);
  return made;
}

std::vector<bool> dimensions_of(const Artifact& artifact) {
  std::vector<bool> has_dimensions;
  for (const TensorId id : artifact.graph_constants) {
    has_dimensions.push_back(id >= artifact.tensors.size() || !artifact.tensors[id].shape.empty());
  }
  return has_dimensions;
}

/// Paths of the modules that drop something in training and do nothing else in it, by the names of
/// their classes: paths of residual nets, and dropouts that authors write themselves.
std::set<std::string> dropping_modules(const Artifact& artifact) {
  constexpr std::string_view kClasses[] = {"DropPath", "StochasticDepth", "DropBlock",
                                           "DropConnect", "Dropout"};
  std::set<std::string> paths;
  for (const Module& module : artifact.modules) {
    const std::string_view name =
        std::string_view(module.class_name).substr(module.class_name.rfind('.') + 1);
    const bool drops = std::any_of(std::begin(kClasses), std::end(kClasses), [&](auto part) {
      return name.find(part) != std::string_view::npos;
    });
    if (drops && !module.path.empty()) paths.insert(module.path);
  }
  return paths;
}

bool draws(const Node& node) {
  const OpClass op_class = class_of(node);
  return op_class == OpClass::kRandom || op_class == OpClass::kRandomResult ||
         op_class == OpClass::kRandomWrite || op_class == OpClass::kRandomOf;
}

/// Everything about one graph.
class Analysis {
 public:
  Analysis(Graph& graph, const Flow& flow, const AttributeNumbers& numbers,
           const std::set<std::string>& dropping)
      : graph_(graph),
        flow_(flow),
        numbers_(numbers),
        dropping_(dropping),
        training_(graph, numbers),
        origins_(graph, flow) {}

  void run() {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      if (!flow_.live_nodes[id]) continue;
      read_slots(id);
      read_switch(id);
      read_devices(id);
      read_condition(id);
      for (std::size_t i = 0; i < graph_.nodes[id].inputs.size(); ++i) {
        const bool is_target = i == 0 && graph_.nodes[id].op == "prim::SetAttr";
        if (!is_target) note_use(graph_.nodes[id].inputs[i].value);
      }
    }
    for (BlockId id = 0; id < graph_.blocks.size(); ++id) {
      if (!flow_.live_blocks[id]) continue;
      for (const ValueId result : graph_.blocks[id].results) note_use(result);
    }
    facts_.attributes_read.assign(attributes_.begin(), attributes_.end());
    for (const auto& [flag, reader] : flags_) {
      facts_.training_flags_read.push_back(flag);
      facts_.training_flag_readers.push_back(reader);
    }
    facts_.constants_read.assign(constants_.begin(), constants_.end());
    graph_.facts = std::move(facts_);
  }

  [[nodiscard]] bool complete() const { return origins_.complete(); }

 private:
  [[nodiscard]] std::uint32_t leaves_of(DefId definition) const {
    return definition == kNoDef ? 0u : flow_.definitions[definition].leaves;
  }

  [[nodiscard]] const Read* read_of(NodeId id, const NodeInput* input) const {
    const auto at = flow_.reads.find(id);
    if (input == nullptr || at == flow_.reads.end()) return nullptr;
    const std::size_t position = static_cast<std::size_t>(input - graph_.nodes[id].inputs.data());
    return position < at->second.size() ? &at->second[position] : nullptr;
  }

  [[nodiscard]] bool is_activation(const Read* read) const {
    return read != nullptr && (leaves_of(read->whole) & kFromInput) != 0;
  }

  /// True when an operator whose weights are certain was taken apart into this one.
  [[nodiscard]] static bool is_part_of_layer(const Node& node) {
    const std::span<const SlotRow> rows = slots_of(node.made_from);
    return std::any_of(rows.begin(), rows.end(),
                       [](const SlotRow& row) { return row.kind == SlotRow::Kind::kCertain; });
  }

  /// Random numbers that are left of a dropout: one that is off leaves none when it is taken apart.
  [[nodiscard]] static const SwitchRow* switch_taken_apart(const Node& node) {
    const SwitchRow* row = draws(node) ? switch_of(node.made_from) : nullptr;
    return row != nullptr && row->kind == SwitchRow::Kind::kDropout ? row : nullptr;
  }

  /// Random numbers that such a module draws, in a program that has no branch left to avoid it.
  [[nodiscard]] bool is_dropping(const Node& node) const {
    return node.block == 0 && draws(node) && dropping_.contains(node.module_path);
  }

  void add_slot(NodeId id, std::string argument, SlotRow::Kind kind, DefId definition,
                std::uint32_t data) {
    WeightSlot slot;
    slot.node = id;
    slot.argument = std::move(argument);
    slot.certain = kind == SlotRow::Kind::kCertain || kind == SlotRow::Kind::kStatistic ||
                   is_part_of_layer(graph_.nodes[id]);
    slot.statistic = kind == SlotRow::Kind::kStatistic;
    slot.data_leaves = data;
    slot.origin = origins_.origin_of(definition);
    facts_.weight_slots.push_back(std::move(slot));
  }

  void read_slots(NodeId id) {
    const Node& node = graph_.nodes[id];
    const std::span<const SlotRow> rows = slots_of(node.op);
    if (rows.empty()) return;
    std::uint32_t data = 0;
    for (const NodeInput& input : node.inputs) {
      const bool is_slot = std::any_of(rows.begin(), rows.end(), [&](const SlotRow& row) {
        return input_of(node, row.argument, row.position) == &input;
      });
      const Read* read = read_of(id, &input);
      if (!is_slot && read != nullptr) data |= leaves_of(read->whole);
    }
    for (const SlotRow& row : rows) {
      const NodeInput* input = input_of(node, row.argument, row.position);
      const Read* read = read_of(id, input);
      if (read == nullptr || leaves_of(read->whole) == 0) continue;
      switch (row.kind) {
        case SlotRow::Kind::kCertain:
        case SlotRow::Kind::kStatistic:
          if (read->elements.empty()) {
            add_slot(id, std::string(row.argument), row.kind, read->whole, data);
          }
          for (std::size_t i = 0; i < read->elements.size(); ++i) {
            add_slot(id, std::string(row.argument) + "[" + std::to_string(i) + "]", row.kind,
                     read->elements[i], data);
          }
          break;
        case SlotRow::Kind::kWeightSide:
        case SlotRow::Kind::kBiasSide: {
          const Read* other =
              read_of(id, &node.inputs[std::min<std::size_t>(row.data, node.inputs.size() - 1)]);
          if (!is_activation(other)) break;
          add_slot(id, std::string(row.argument), row.kind, read->whole, leaves_of(other->whole));
          break;
        }
        case SlotRow::Kind::kEitherSide:
          read_either_side(id, row, *read);
          break;
      }
    }
  }

  /// `matmul(a, b)`, `einsum(equation, [a, b])`: one operand as a weight of the others.
  void read_either_side(NodeId id, const SlotRow& row, const Read& read) {
    if (!read.elements.empty()) {
      for (std::size_t i = 0; i < read.elements.size(); ++i) {
        std::uint32_t others = 0;
        for (std::size_t j = 0; j < read.elements.size(); ++j) {
          if (j != i) others |= leaves_of(read.elements[j]);
        }
        if ((others & kFromInput) == 0 || leaves_of(read.elements[i]) == 0) continue;
        add_slot(id, std::string(row.argument) + "[" + std::to_string(i) + "]", row.kind,
                 read.elements[i], others);
      }
      return;
    }
    const Node& node = graph_.nodes[id];
    for (const SlotRow& other : slots_of(node.op)) {
      if (other.argument == row.argument) continue;
      const Read* data = read_of(id, input_of(node, other.argument, other.position));
      if (!is_activation(data)) continue;
      add_slot(id, std::string(row.argument), row.kind, read.whole, leaves_of(data->whole));
      return;
    }
  }

  /// What a literal switch says, or a number that a module keeps: nothing when it is neither.
  [[nodiscard]] std::optional<bool> literal_of(const NodeInput& input) const {
    const Value& value = graph_.values[input.value];
    if (value.type == ValueType::kNone) return false;
    if (const std::optional<double> number = numbers_.of(value)) return *number > 0;
    if (!value.literal) return std::nullopt;
    const auto& literal = value.literal->value;
    if (const bool* flag = std::get_if<bool>(&literal)) return *flag;
    if (std::holds_alternative<Literal::None>(literal)) return false;
    return std::nullopt;
  }

  /// The same of a number that an `if` chooses from literals which all say the same.
  [[nodiscard]] std::optional<bool> literal_behind(const NodeInput& input) const {
    const std::optional<bool> own = literal_of(input);
    const Value& value = graph_.values[input.value];
    if (own || !value.producer || graph_.nodes[*value.producer].op != "prim::If") return own;
    const Node& branch = graph_.nodes[*value.producer];
    const auto at = std::find(branch.outputs.begin(), branch.outputs.end(), input.value);
    const std::size_t index = static_cast<std::size_t>(at - branch.outputs.begin());
    std::optional<bool> all;
    for (const BlockId block : branch.blocks) {
      const std::vector<ValueId>& results = graph_.blocks[block].results;
      if (index >= results.size()) return std::nullopt;
      const std::optional<bool> one = literal_of({"", results[index]});
      if (!one || (all && *all != *one)) return std::nullopt;
      all = one;
    }
    return all;
  }

  /// False when the switch can have no effect: p = 0, no running statistics, one layer of an RNN.
  [[nodiscard]] bool has_effect(const Node& node, const SwitchRow& row) const {
    if (!row.probability.empty()) {
      const NodeInput* p = input_of(node, row.probability, row.probability_position);
      if (p != nullptr && literal_behind(*p) == false) return false;
    }
    if (const NodeInput* layers = input_of(node, "num_layers", node.inputs.size())) {
      const std::optional<Literal>& literal = graph_.values[layers->value].literal;
      const std::int64_t* count = literal ? std::get_if<std::int64_t>(&literal->value) : nullptr;
      if (count != nullptr && *count <= 1) return false;
    }
    if (row.kind == SwitchRow::Kind::kStatistics) {
      const NodeInput* mean = input_of(node, "running_mean", 3);
      if (mean == nullptr || literal_of(*mean) == false) return false;
    }
    return true;
  }

  void read_switch(NodeId id) {
    const Node& node = graph_.nodes[id];
    TrainingSwitch found;
    found.node = id;
    if (const SwitchRow* gone = switch_taken_apart(node)) {
      found.argument = gone->argument;
      found.state = TrainingSwitch::State::kOn;
      facts_.training_switches.push_back(std::move(found));
      return;
    }
    if (is_dropping(node)) {
      found.state = TrainingSwitch::State::kOn;
      facts_.training_switches.push_back(std::move(found));
      return;
    }
    const SwitchRow* row = switch_of(node.op);
    if (row == nullptr) return;
    found.argument = row->kind == SwitchRow::Kind::kAlways ? row->probability : row->argument;
    found.state = state_of(id, *row, found.attribute);
    facts_.training_switches.push_back(std::move(found));
  }

  TrainingSwitch::State state_of(NodeId id, const SwitchRow& row, std::string& attribute) {
    using State = TrainingSwitch::State;
    const Node& node = graph_.nodes[id];
    if (!has_effect(node, row)) return State::kOff;
    State state = State::kOn;
    if (row.kind != SwitchRow::Kind::kAlways) {
      const NodeInput* input = input_of(node, row.argument, row.position);
      if (input == nullptr) return State::kOff;
      const std::optional<bool> on = literal_behind(*input);
      if (on == false) return State::kOff;
      if (!on) state = computed_switch(id, input->value, attribute);
    }
    if (state != State::kOn || row.probability.empty()) return state;
    // A probability that is 0 outside of training is a switch as well.
    const NodeInput* p = input_of(node, row.probability, row.probability_position);
    if (p == nullptr || literal_behind(*p) || graph_.values[p->value].attribute) return state;
    return computed_switch(id, p->value, attribute);
  }

  TrainingSwitch::State computed_switch(NodeId id, ValueId value, std::string& attribute) {
    const std::vector<std::string> flags = training_.behind(value);
    if (flags.empty()) return TrainingSwitch::State::kDynamic;
    attribute = flags.front();
    note_flags(flags, id);
    return TrainingSwitch::State::kAttribute;
  }

  /// An `if` on a training flag that decides about tensors.
  void read_condition(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (node.op != "prim::If" || node.inputs.empty()) return;
    const std::vector<std::string> flags = training_.behind(node.inputs[0].value);
    if (!flags.empty() && training_.decide_about_tensors(id)) note_flags(flags, id);
  }

  /// Nodes come in the order of their ids, so the first reader stays.
  void note_flags(const std::vector<std::string>& flags, NodeId reader) {
    for (const std::string& flag : flags) flags_.emplace(flag, reader);
  }

  void read_devices(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (node.op == "aten::cuda") facts_.device_literals.push_back({id, "cuda"});
    for (const NodeInput& input : node.inputs) {
      const std::optional<Literal>& literal = graph_.values[input.value].literal;
      if (!literal) continue;
      const bool is_name = input.argument == "device";
      const Literal::Device* device = std::get_if<Literal::Device>(&literal->value);
      const std::string* name = std::get_if<std::string>(&literal->value);
      const bool compares = node.op == "aten::eq" || node.op == "aten::ne";
      if (device != nullptr && !compares) facts_.device_literals.push_back({id, device->name});
      if (device == nullptr && name != nullptr && is_name) {
        facts_.device_literals.push_back({id, *name});
      }
    }
  }

  void note_use(ValueId id) {
    const Value& value = graph_.values[id];
    if (value.attribute) attributes_.insert(*value.attribute);
    if (!value.literal) return;
    const Literal::Constant* constant = std::get_if<Literal::Constant>(&value.literal->value);
    if (constant != nullptr) constants_.insert(constant->index);
  }

  Graph& graph_;
  const Flow& flow_;
  const AttributeNumbers& numbers_;
  const std::set<std::string>& dropping_;
  const TrainingFlags training_;
  OriginReader origins_;
  GraphFacts facts_;
  std::set<std::string> attributes_;
  std::map<std::string, NodeId> flags_;
  std::set<std::uint32_t> constants_;
};

}  // namespace

void analyse_graphs(Artifact& artifact) {
  const Attributes attributes = attributes_of(artifact);
  const std::vector<bool> has_dimensions = dimensions_of(artifact);
  const FlowContext context{&attributes.leaves, &has_dimensions};
  const AttributeNumbers numbers(artifact);
  const std::set<std::string> dropping = dropping_modules(artifact);
  for (Graph& graph : artifact.graphs) {
    if (graph.blocks.empty()) continue;
    const Flow flow = follow_values(graph, context);
    Analysis analysis(graph, flow, numbers, dropping);
    analysis.run();
    find_reach(artifact, numbers, graph);
    find_scores(artifact, flow.live_nodes, graph);
    find_reused_norms(flow.live_nodes, graph);
    find_thrown_calls(graph);
    find_closed_branches(artifact, numbers, graph);
    if (!flow.complete || !analysis.complete()) {
      artifact.add_gap("graph of " + graph.method,
                       "tracing where its weights come from took more work than the bound allows");
    }
  }
}

}  // namespace torchvet
