// Where a `training` attribute makes a difference.
//
// That a program reads the flag does not say so. nn.MultiheadAttention asks for it to choose
// between a fused kernel and the plain way, which give the same result; it keeps the reason as a
// text, and hands its mask through a ladder of branches that all end in the same mask. Its
// probability of dropout, 0 unless one asks for more, is the same in both modes then.
#include "graph/training_flags.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "graph/op_table.h"

namespace torchvet {
namespace {

constexpr std::size_t kMaxValues = 256;    ///< looked at behind one value
constexpr std::size_t kMaxNodes = 10'000;  ///< looked at inside one branch

bool is_training_flag(const Value& value) {
  return value.attribute &&
         (*value.attribute == "training" || value.attribute->ends_with(".training"));
}

bool is_cast(const Node& node) {
  return node.op == "prim::unchecked_cast" || node.op == "aten::_unwrap_optional";
}

std::size_t index_of(const Node& node, ValueId output) {
  const auto at = std::find(node.outputs.begin(), node.outputs.end(), output);
  return static_cast<std::size_t>(at - node.outputs.begin());
}

}  // namespace

/// True when the node changes something that was there before the branch, or may do so.
bool TrainingFlags::acts(const Node& node, NodeId branch) const {
  const OpClass op_class = class_of(node);
  if (op_class == OpClass::kRandomWrite || op_class == OpClass::kFill) return true;
  if (op_class == OpClass::kUnknown) return node.op != "prim::Uninitialized";
  if (op_class != OpClass::kWrite) return false;
  if (node.inputs.empty()) return true;
  const std::optional<NodeId> maker = graph_.values[node.inputs.front().value].producer;
  if (!maker || !lies_inside(*maker, branch)) return true;
  const std::string& op = graph_.nodes[*maker].op;
  return op != "prim::ListConstruct" && op != "prim::DictConstruct";
}

/// True when some node of a branch acts, in blocks inside it as well.
bool TrainingFlags::acts_inside(NodeId branch) const {
  std::size_t looked = 0;
  std::vector<BlockId> open = graph_.nodes[branch].blocks;
  while (!open.empty()) {
    const Block& block = graph_.blocks[open.back()];
    open.pop_back();
    for (const NodeId id : block.nodes) {
      const Node& node = graph_.nodes[id];
      if (++looked > kMaxNodes || acts(node, branch)) return true;
      open.insert(open.end(), node.blocks.begin(), node.blocks.end());
    }
  }
  return false;
}

bool TrainingFlags::lies_inside(NodeId node, NodeId branch) const {
  for (std::optional<NodeId> at = graph_.blocks[graph_.nodes[node].block].node; at;
       at = graph_.blocks[graph_.nodes[*at].block].node) {
    if (*at == branch) return true;
  }
  return false;
}

/// What the blocks of a branch hand on as its `index`-th result, seen through casts and branches
/// inside. Equal numbers count once. Nothing when that is more than one can look at.
std::optional<std::vector<ValueId>> TrainingFlags::handed_on(NodeId branch,
                                                             std::size_t index) const {
  std::vector<ValueId> sources, open;
  std::set<ValueId> seen;
  std::set<double> numbers;
  const auto add_results = [&](const Node& node, std::size_t at) {
    for (const BlockId block : node.blocks) {
      const std::vector<ValueId>& results = graph_.blocks[block].results;
      if (at < results.size()) open.push_back(results[at]);
    }
  };
  add_results(graph_.nodes[branch], index);
  while (!open.empty()) {
    const ValueId id = open.back();
    open.pop_back();
    if (!seen.insert(id).second) continue;
    if (seen.size() > kMaxValues) return std::nullopt;
    const Value& value = graph_.values[id];
    if (value.producer && lies_inside(*value.producer, branch)) {
      const Node& producer = graph_.nodes[*value.producer];
      if (is_cast(producer) && !producer.inputs.empty()) {
        open.push_back(producer.inputs.front().value);
        continue;
      }
      if (producer.op == "prim::If") {
        add_results(producer, index_of(producer, id));
        continue;
      }
    }
    const std::optional<double> number = numbers_.of(value);
    if (!number || numbers.insert(*number).second) sources.push_back(id);
  }
  return sources;
}

/// Flags count where a branch or a switch reads them; texts are reasons for people.
bool TrainingFlags::may_shape_tensors(const std::vector<ValueId>& values) const {
  return std::any_of(values.begin(), values.end(), [&](ValueId id) {
    const ValueType type = graph_.values[id].type;
    return type != ValueType::kNone && type != ValueType::kBool && type != ValueType::kString;
  });
}

std::vector<std::string> TrainingFlags::behind(ValueId start) const {
  std::vector<std::string> flags;
  std::set<ValueId> seen;
  std::vector<ValueId> open = {start};
  while (!open.empty() && seen.size() < kMaxValues) {
    const ValueId id = open.back();
    open.pop_back();
    if (!seen.insert(id).second) continue;
    const Value& value = graph_.values[id];
    if (is_training_flag(value)) flags.push_back(*value.attribute);
    if (!value.producer || value.type == ValueType::kString) continue;
    const Node& node = graph_.nodes[*value.producer];
    if (node.op == "prim::If") {
      const auto sources = handed_on(*value.producer, index_of(node, id));
      if (sources) open.insert(open.end(), sources->begin(), sources->end());
      if (sources && sources->size() == 1) continue;  // the same, whatever the condition says
    } else if (value.type != ValueType::kBool) {
      continue;
    }
    for (const NodeInput& input : node.inputs) open.push_back(input.value);
  }
  std::sort(flags.begin(), flags.end());
  return flags;
}

bool TrainingFlags::decide_about_tensors(NodeId branch) const {
  if (acts_inside(branch)) return true;
  for (std::size_t i = 0; i < graph_.nodes[branch].outputs.size(); ++i) {
    const std::optional<std::vector<ValueId>> sources = handed_on(branch, i);
    if (!sources || (sources->size() > 1 && may_shape_tensors(*sources))) return true;
  }
  return false;
}

}  // namespace torchvet
