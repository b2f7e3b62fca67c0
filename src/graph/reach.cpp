#include "graph/reach.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

#include "graph/op_table.h"
#include "graph/slices.h"
#include "graph/training_flags.h"
#include "model/program_form.h"

namespace torchvet {
namespace {

using Way = Slices::Way;

/// A program has few places where gradients end; each costs one walk over the graph.
constexpr std::size_t kMostCuts = 64;
constexpr std::size_t kMostConditions = 256;

/// Operators that take a number out of a tensor: what TorchScript decides by goes through one of
/// them.
constexpr std::array<std::string_view, 11> kTakesNumber = {
    "aten::Int",         "aten::Bool",
    "aten::Float",       "aten::item",
    "aten::IntImplicit", "aten::FloatImplicit",
    "aten::is_nonzero",  "aten::ScalarImplicit",
    "aten::equal",       "aten::_local_scalar_dense",
    "prim::tolist"};

/// Operators whose argument is a shape that begins with the batch.
constexpr std::array<std::string_view, 4> kReshapes = {"aten::view", "aten::reshape",
                                                       "aten::expand", "aten::_unsafe_view"};

class Reach {
 public:
  Reach(const Artifact& artifact, const AttributeNumbers& numbers, Graph& graph)
      : artifact_(artifact),
        graph_(graph),
        training_(graph, numbers),
        slices_(graph),
        results_(slices_.behind(slices_.results(), Way::kNumbers)),
        data_(slices_.ahead_of(tensor_inputs())) {}

  void run() {
    find_random();
    find_conditions();
    find_dead_layers();
    find_cuts();
    if (const std::optional<std::int64_t> batch = example_batch(artifact_)) find_baked_sizes(*batch);
  }

 private:
  GraphFacts& facts() { return graph_.facts; }

  [[nodiscard]] bool any_output(const Node& node, const std::vector<bool>& reached) const {
    return std::any_of(node.outputs.begin(), node.outputs.end(),
                       [&](ValueId id) { return reached[id]; });
  }

  /// Arguments of the method that are tensors.
  [[nodiscard]] std::vector<ValueId> tensor_inputs() const {
    std::vector<ValueId> tensors;
    for (const ValueId id : graph_.blocks[0].parameters) {
      const Value& value = graph_.values[id];
      if (value.user_input && value.type == ValueType::kTensor) tensors.push_back(id);
    }
    return tensors;
  }

  void find_random() {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const Node& node = graph_.nodes[id];
      const OpClass op = class_of(node);
      const bool random = op == OpClass::kRandom || op == OpClass::kRandomOf ||
                          op == OpClass::kRandomWrite || op == OpClass::kRandomResult;
      if (random && any_output(node, results_) && !mode_decides(node)) facts().random_in_results.push_back(id);
    }
  }

  /// True inside a branch that is taken, or not, by a `training` attribute.
  [[nodiscard]] bool mode_decides(const Node& node) const {
    for (BlockId block = node.block; graph_.blocks[block].node;) {
      const Node& branch = graph_.nodes[*graph_.blocks[block].node];
      if (branch.op == "prim::If" && !branch.inputs.empty() &&
          !training_.behind(branch.inputs[0].value).empty()) {
        return true;
      }
      block = branch.block;
    }
    return false;
  }

  /// The value that steers a node, if any does by its number.
  static std::optional<ValueId> steering(const Node& node) {
    if (node.inputs.empty()) return std::nullopt;
    if (node.op == "higher_order::cond") return node.inputs[0].value;
    const bool takes =
        std::find(kTakesNumber.begin(), kTakesNumber.end(), node.op) != kTakesNumber.end();
    if (takes) return node.inputs[0].value;
    return std::nullopt;
  }

  void find_conditions() {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const Node& node = graph_.nodes[id];
      std::optional<ValueId> value = steering(node);
      if (node.op == "higher_order::while_loop" && !node.blocks.empty()) {
        const std::vector<ValueId>& results = graph_.blocks[node.blocks[0]].results;
        if (!results.empty()) value = results[0];
      }
      if (!value || graph_.values[*value].type != ValueType::kTensor ||
          facts().data_conditions.size() == kMostConditions)
        continue;
      if (data_[*value]) facts().data_conditions.push_back(id);
    }
  }

  /// With blocks, a result counts as unread only when nothing at all takes it: behind an `if` it may
  /// have no influence in one branch alone, or decide whether an error is raised.
  void find_dead_layers() {
    const std::vector<bool> read = graph_.blocks.size() > 1 ? values_read() : results_;
    std::set<NodeId> registered;
    for (const WeightSlot& slot : facts().weight_slots) {
      if (slot.certain && slot.origin.any(kFromParameter)) registered.insert(slot.node);
    }
    for (const NodeId id : registered) {
      if (!any_output(graph_.nodes[id], read)) facts().dead_layers.push_back(id);
    }
  }

  [[nodiscard]] std::vector<bool> values_read() const {
    std::vector<bool> read(graph_.values.size());
    for (const Node& node : graph_.nodes) {
      for (const NodeInput& input : node.inputs) read[input.value] = true;
    }
    for (const Block& block : graph_.blocks) {
      for (const ValueId result : block.results) read[result] = true;
    }
    return read;
  }

  // --- Gradients ---------------------------------------------------------------------------------

  /// Values that read parameters which ask for a gradient.
  std::vector<ValueId> trained_values() const {
    std::unordered_map<std::string_view, bool> trained;
    for (const Tensor& tensor : artifact_.tensors) {
      if (tensor.role != TensorRole::kParameter || !tensor.requires_grad) continue;
      trained.emplace(tensor.object_path, true);
      for (const std::string& alias : tensor.aliases) trained.emplace(alias, true);
    }
    std::vector<ValueId> values;
    for (ValueId id = 0; id < graph_.values.size(); ++id) {
      const std::optional<std::string>& path = graph_.values[id].attribute;
      if (path && trained.contains(*path)) values.push_back(id);
    }
    return values;
  }

  /// Where a gradient that comes from the results stops: at `detach`, and where a value made under
  /// no_grad is used outside.
  std::vector<NodeId> cuts() const {
    std::vector<bool> used_outside(graph_.values.size());
    for (const Node& node : graph_.nodes) {
      if (node.no_grad) continue;
      for (const NodeInput& input : node.inputs) used_outside[input.value] = true;
    }
    for (const ValueId id : graph_.blocks[0].results) used_outside[id] = true;
    std::vector<NodeId> found;
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const Node& node = graph_.nodes[id];
      const bool leaves =
          node.no_grad && any_output(node, used_outside) && class_of(node) != OpClass::kWrite;
      if ((cuts_gradient(node) || leaves) && any_output(node, results_)) found.push_back(id);
    }
    return found;
  }

  void find_cuts() {
    const std::vector<NodeId> found = cuts();
    if (found.empty() || found.size() > kMostCuts) return;
    const std::vector<ValueId> trained = trained_values();
    const std::vector<bool> learning = slices_.behind(graph_.blocks[0].results, Way::kGradient);
    std::set<std::string_view> still_trained;
    for (const ValueId id : trained) {
      if (learning[id]) still_trained.insert(*graph_.values[id].attribute);
    }
    for (const NodeId id : found) {
      std::vector<ValueId> inputs;
      for (const NodeInput& input : graph_.nodes[id].inputs) inputs.push_back(input.value);
      const std::vector<bool> behind = slices_.behind(inputs, Way::kDetached);
      std::set<std::string> severed;
      bool otherwise = false;
      for (const ValueId value : trained) {
        if (!behind[value]) continue;
        const std::string& path = *graph_.values[value].attribute;
        otherwise = otherwise || still_trained.contains(path);
        severed.insert(path);
      }
      if (severed.empty() || otherwise) continue;
      facts().gradient_cuts.push_back({id, {severed.begin(), severed.end()}});
    }
  }

  // --- Batch size --------------------------------------------------------------------------------

  [[nodiscard]] std::optional<std::int64_t> first_size(ValueId shape) const {
    const Value& value = graph_.values[shape];
    if (value.literal) {
      const auto* sizes = std::get_if<std::vector<std::int64_t>>(&value.literal->value);
      return sizes && !sizes->empty() ? std::optional(sizes->front()) : std::nullopt;
    }
    if (!value.producer) return std::nullopt;
    const Node& pack = graph_.nodes[*value.producer];
    if (pack.op != "prim::ListConstruct" || pack.inputs.empty()) return std::nullopt;
    const std::optional<Literal>& first = graph_.values[pack.inputs[0].value].literal;
    const std::int64_t* size = first ? std::get_if<std::int64_t>(&first->value) : nullptr;
    return size ? std::optional(*size) : std::nullopt;
  }

  void find_baked_sizes(std::int64_t batch) {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const Node& node = graph_.nodes[id];
      const bool reshapes =
          std::find(kReshapes.begin(), kReshapes.end(), node.op) != kReshapes.end();
      if (!reshapes || node.inputs.size() < 2 || !any_output(node, results_)) continue;
      if (first_size(node.inputs[1].value) != batch) continue;
      if (facts().baked_sizes.size() == kMostConditions) return;
      if (data_[node.inputs[0].value]) facts().baked_sizes.push_back({id, batch});
    }
  }

  const Artifact& artifact_;
  Graph& graph_;
  const TrainingFlags training_;
  const Slices slices_;
  const std::vector<bool> results_;  ///< values that have an influence on a result
  const std::vector<bool> data_;     ///< values on which a tensor argument has an influence
};

}  // namespace

void find_reach(const Artifact& artifact, const AttributeNumbers& numbers, Graph& graph) {
  Reach(artifact, numbers, graph).run();
}

}  // namespace torchvet
