// Scores (logits), probabilities, and what goes wrong between them.
//
// What is looked at is one operator and the one that feeds it, with nothing in between but what
// leaves every number and the shape as they are: a cast, a copy, dropout. That is how these
// mistakes are written, and healthy nets hold no such pair: between the softmax of an attention and
// the next softmax there is a product, between a mixture's weights and a logarithm there is a sum.
// A tensor that is written in place stands for nothing: what was written may be just what the
// second operator is for, as a mask is.
//
// A softmax is made twice only when both are along the same dimension; along two dimensions it is a
// way of matching rows with columns.
#include "graph/scores.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/split.h"
#include "graph/op_names.h"
#include "graph/op_table.h"
#include "graph/slices.h"

namespace torchvet {
namespace {

enum class Role : std::uint8_t {
  kNone,
  kSoftmax,
  kSigmoid,
  kLogSoftmax,
  kLog,
  kCrossEntropy,        ///< takes scores of classes
  kBinaryCrossEntropy,  ///< takes scores of one class each
  kLikelihood,          ///< takes logarithms of probabilities
};

struct RoleRow {
  Role role;
  std::string_view names;
};

constexpr RoleRow kRoles[] = {
    {Role::kSoftmax, "softmax _softmax special_softmax"},
    {Role::kSigmoid, "sigmoid special_expit"},
    {Role::kLogSoftmax, "log_softmax _log_softmax special_log_softmax"},
    {Role::kLog, "log log2 log10"},
    {Role::kCrossEntropy, "cross_entropy_loss"},
    {Role::kBinaryCrossEntropy, "binary_cross_entropy_with_logits"},
    {Role::kLikelihood, "nll_loss nll_loss_nd nll_loss2d nll_loss_forward nll_loss2d_forward"},
};

/// Operators that leave the numbers and the shape as they are, but for what dropout drops.
constexpr std::string_view kPassing =
    "to _to_copy type_as float half double bfloat16 contiguous clone alias detach lift_fresh "
    "dropout native_dropout";

/// With a number as the other operand these leave the shape.
constexpr std::string_view kScaling = "mul div add sub";

constexpr int kLongestPass = 16;

std::unordered_map<std::string_view, Role> make_roles() {
  std::unordered_map<std::string_view, Role> roles;
  for (const RoleRow& row : kRoles) {
    for_each_part(row.names, ' ', [&](std::string_view name) { roles.emplace(name, row.role); });
  }
  return roles;
}

std::unordered_set<std::string_view> make_set(std::string_view names) {
  std::unordered_set<std::string_view> set;
  for_each_part(names, ' ', [&](std::string_view name) { set.insert(name); });
  return set;
}

Role role_of(const Node& node) {
  static const std::unordered_map<std::string_view, Role> roles = make_roles();
  const auto at = roles.find(short_name(node.op));
  return at == roles.end() || node.inputs.empty() ? Role::kNone : at->second;
}

class Scores {
 public:
  Scores(const Artifact& artifact, const std::vector<bool>& live, Graph& graph)
      : artifact_(artifact), live_(live), graph_(graph) {}

  void run() {
    std::vector<NodeId> takers;
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      if (live_[id] && role_of(graph_.nodes[id]) != Role::kNone) takers.push_back(id);
    }
    if (takers.empty()) return;
    find_written();
    find_weights();
    for (const NodeId id : takers) {
      look_at_pair(id);
      look_at_classes(id);
    }
  }

 private:
  void find_written() {
    const Slices slices(graph_);
    for (const Node& node : graph_.nodes) {
      if (node.inputs.empty() || !node.blocks.empty()) continue;
      const OpClass op = class_of(node);
      if (op == OpClass::kWrite || op == OpClass::kRandomWrite || op == OpClass::kFill) {
        written_.insert(slices.root_of(node.inputs[0].value));
      }
    }
    for (ValueId id = 0; id < graph_.values.size() && !written_.empty(); ++id) {
      if (written_.contains(slices.root_of(id))) written_.insert(id);
    }
  }

  void find_weights() {
    for (const WeightSlot& slot : graph_.facts.weight_slots) {
      const bool weight = slot.argument == "weight" || slot.argument == "mat2";
      if (weight && slot.origin.attributes.size() == 1) weights_.emplace(slot.node, &slot);
    }
    for (const Tensor& tensor : artifact_.tensors) {
      if (tensor.role == TensorRole::kParameter) tensors_.emplace(tensor.object_path, &tensor);
    }
  }

  [[nodiscard]] bool is_number(ValueId id) const {
    const ValueType type = graph_.values[id].type;
    return type == ValueType::kInt || type == ValueType::kFloat;
  }

  /// The node that made what `value` holds; `scaled` also looks through arithmetic with a number.
  [[nodiscard]] std::optional<NodeId> maker_of(ValueId value, bool scaled) const {
    static const std::unordered_set<std::string_view> passing = make_set(kPassing);
    static const std::unordered_set<std::string_view> scaling = make_set(kScaling);
    for (int i = 0; i < kLongestPass; ++i) {
      const std::optional<NodeId>& producer = graph_.values[value].producer;
      if (!producer || written_.contains(value)) return std::nullopt;
      const Node& node = graph_.nodes[*producer];
      const std::string_view name = short_name(node.op);
      const bool passes =
          passing.contains(name) || (scaled && scaling.contains(name) && node.inputs.size() > 1 &&
                                     is_number(node.inputs[1].value));
      if (!passes || node.inputs.empty()) return *producer;
      value = node.inputs[0].value;
    }
    return std::nullopt;
  }

  void look_at_pair(NodeId id) {
    const Node& node = graph_.nodes[id];
    const std::optional<NodeId> maker = maker_of(node.inputs[0].value, false);
    if (!maker) return;
    const Node& first = graph_.nodes[*maker];
    const Role makes = role_of(first);
    if (makes != Role::kSoftmax && makes != Role::kSigmoid) return;
    const bool classes = makes == Role::kSoftmax;
    std::optional<ScorePair::Kind> kind;
    switch (role_of(node)) {
      case Role::kSoftmax:
      case Role::kLogSoftmax:
        if (classes && same_dimension(first, node)) kind = ScorePair::Kind::kTwice;
        break;
      case Role::kSigmoid:
      case Role::kBinaryCrossEntropy:
        if (!classes) kind = ScorePair::Kind::kTwice;
        break;
      case Role::kCrossEntropy:
        if (classes && over_classes(first)) kind = ScorePair::Kind::kTwice;
        break;
      case Role::kLikelihood:
        if (classes && over_classes(first)) kind = ScorePair::Kind::kNeedsLog;
        break;
      case Role::kLog:
        kind = ScorePair::Kind::kLog;
        break;
      case Role::kNone:
        break;
    }
    if (kind) graph_.facts.score_pairs.push_back({*maker, id, *kind});
  }

  [[nodiscard]] std::optional<std::int64_t> stated_dimension(const Node& node) const {
    const NodeInput* input = input_of(node, "dim", 1);
    if (input == nullptr) return std::nullopt;
    const std::optional<Literal>& literal = graph_.values[input->value].literal;
    const std::int64_t* number = literal ? std::get_if<std::int64_t>(&literal->value) : nullptr;
    return number != nullptr ? std::optional(*number) : std::nullopt;
  }

  /// Number of dimensions of what the node takes, when the program states it.
  [[nodiscard]] std::optional<std::int64_t> rank_of(const Node& node) const {
    const std::optional<std::vector<std::int64_t>>& shape =
        graph_.values[node.inputs[0].value].shape;
    return shape ? std::optional(static_cast<std::int64_t>(shape->size())) : std::nullopt;
  }

  /// From the front where the rank is known, else as it is written.
  [[nodiscard]] std::optional<std::int64_t> dimension_of(const Node& node) const {
    const std::optional<std::int64_t> dimension = stated_dimension(node);
    const std::optional<std::int64_t> rank = rank_of(node);
    if (!dimension || !rank || *dimension >= 0) return dimension;
    return *dimension + *rank;
  }

  [[nodiscard]] bool same_dimension(const Node& first, const Node& second) const {
    const std::optional<std::int64_t> dimension = dimension_of(first);
    return dimension && dimension == dimension_of(second);
  }

  /// Along the dimension that a loss takes for that of the classes.
  [[nodiscard]] bool over_classes(const Node& node) const {
    const std::optional<std::int64_t> dimension = dimension_of(node);
    const std::optional<std::int64_t> rank = rank_of(node);
    if (!dimension) return false;
    if (rank) return *dimension == (*rank == 1 ? 0 : 1);
    return *dimension == 1 || *dimension == -1;
  }

  // --- One class ---------------------------------------------------------------------------------

  void look_at_classes(NodeId id) {
    const Node& node = graph_.nodes[id];
    const Role role = role_of(node);
    if (role != Role::kSoftmax && role != Role::kLogSoftmax) return;
    const std::optional<std::int64_t> dimension = stated_dimension(node);
    const std::optional<NodeId> maker = maker_of(node.inputs[0].value, true);
    if (!maker || !dimension) return;
    const auto slot = weights_.find(*maker);
    if (slot == weights_.end()) return;
    const std::string& path = slot->second->origin.attributes.front();
    const auto weight = tensors_.find(path);
    if (weight == tensors_.end()) return;
    const Node& layer = graph_.nodes[*maker];
    if (has_one_output(layer, *slot->second, *weight->second) &&
        is_output_dimension(node, layer, weight->second->shape.size(), *dimension)) {
      graph_.facts.single_classes.push_back({id, path});
    }
  }

  /// `linear` and convolutions have their outputs first in the weight; a product has them last, or
  /// first where it takes the weight transposed.
  static bool has_one_output(const Node& layer, const WeightSlot& slot, const Tensor& weight) {
    const std::string_view name = short_name(layer.op);
    if (slot.argument == "weight" && weight.shape.size() >= 2) {
      return (name == "linear" || name == "conv1d" || name == "conv2d" || name == "conv3d" ||
              name == "convolution") &&
             weight.shape[0] == 1;
    }
    return slot.argument == "mat2" && weight.shape.size() == 2 &&
           (weight.shape[0] == 1 || weight.shape[1] == 1);
  }

  /// True when the softmax runs over the layer's outputs. Where the shape is not stated, only
  /// `linear` tells: its outputs come last.
  [[nodiscard]] bool is_output_dimension(const Node& softmax, const Node& layer,
                                         std::size_t weight_rank, std::int64_t dimension) const {
    const std::string_view name = short_name(layer.op);
    const bool last = name == "linear" || name == "addmm" || name == "mm";
    const std::optional<std::vector<std::int64_t>>& shape =
        graph_.values[softmax.inputs[0].value].shape;
    if (!shape) return name == "linear" && dimension == -1;
    const auto rank = static_cast<std::int64_t>(shape->size());
    if (dimension < 0) dimension += rank;
    if (dimension < 0 || dimension >= rank || (*shape)[static_cast<std::size_t>(dimension)] != 1) {
      return false;
    }
    return dimension == (last ? rank - 1 : rank - static_cast<std::int64_t>(weight_rank) + 1);
  }

  const Artifact& artifact_;
  const std::vector<bool>& live_;
  Graph& graph_;
  std::unordered_set<ValueId> written_;  ///< values in whose memory something is written
  std::unordered_map<NodeId, const WeightSlot*> weights_;  ///< of layers with one registered weight
  std::unordered_map<std::string_view, const Tensor*> tensors_;  ///< parameters by path
};

}  // namespace

void find_scores(const Artifact& artifact, const std::vector<bool>& live_nodes, Graph& graph) {
  Scores(artifact, live_nodes, graph).run();
}

}  // namespace torchvet
