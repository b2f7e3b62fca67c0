// One batch norm in two places, as when `self.bn` follows conv1 and conv2.
//
// A module that is called twice is nothing to report: the two branches of a siamese net share all
// that they have, a recurrent net runs the same layers again and again, a detection head runs on
// every level of a pyramid. There the layers around the norm come again with it. So for each use we
// ask which layers feed it and which it feeds, and report two uses that have no neighbour in
// common, neither before nor behind:
//
//   bn(conv1(x)) -> conv2,  bn(conv2(x)) -> fc      reported
//   bn(conv(x1)) -> fc,     bn(conv(x2)) -> fc      a siamese net
//   bn(stem(x)) -> conv,    bn(conv(x)) -> conv     a recurrent block
//   bn(left(x)) -> head,    bn(right(x)) -> head    levels of a pyramid
//
// Neighbours are the nearest operators with a registered weight. What cannot be followed, such as
// what a loop carries, makes the use one that nothing is said about, as does a use that an argument
// of the method reaches without any layer.
#include "graph/reused_norms.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "graph/op_table.h"

namespace torchvet {
namespace {

/// Bounds on the work: a norm has few uses, and few operators lie between two layers.
constexpr std::size_t kMostUses = 64;
constexpr std::size_t kMostSteps = 1'000'000;  ///< of all walks together

/// What stands for the results of the method among the layers behind a use.
constexpr std::string_view kResults = "";

using Layers = std::set<std::string_view>;  ///< by the path of a weight

struct Use {
  NodeId node = 0;
  std::optional<Layers> before;
  std::optional<Layers> behind;
};

bool is_apart(const Layers& a, const Layers& b) {
  return !a.empty() && !b.empty() && std::none_of(a.begin(), a.end(), [&](std::string_view layer) {
    return b.contains(layer);
  });
}

class Norms {
 public:
  Norms(const std::vector<bool>& live, Graph& graph) : live_(live), graph_(graph) {}

  void run() {
    std::map<std::string_view, std::vector<Use>> norms;
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const std::string* mean = running_mean_of(graph_.nodes[id]);
      if (mean != nullptr && live_[id]) norms[*mean].push_back({id, {}, {}});
    }
    std::erase_if(norms, [](const auto& norm) {
      return norm.second.size() < 2 || norm.second.size() > kMostUses;
    });
    if (norms.empty()) return;
    find_layers();
    find_readers();
    for (auto& [mean, uses] : norms) {
      for (Use& use : uses) {
        use.before = layers_before(graph_.nodes[use.node]);
        use.behind = layers_behind(graph_.nodes[use.node]);
      }
      judge(mean, uses);
    }
  }

 private:
  struct Reader {
    std::optional<NodeId> node;    ///< that has the value among its inputs
    std::optional<BlockId> block;  ///< that has it among its results, at `place`
    std::size_t place = 0;
  };

  [[nodiscard]] const std::string* running_mean_of(const Node& node) const {
    if (node.outputs.empty()) return nullptr;
    for (const SlotRow& row : slots_of(node.op)) {
      if (row.kind != SlotRow::Kind::kStatistic || row.argument != "running_mean") continue;
      const NodeInput* input = input_of(node, row.argument, row.position);
      if (input == nullptr) return nullptr;
      const std::optional<std::string>& path = graph_.values[input->value].attribute;
      return path ? &*path : nullptr;
    }
    return nullptr;
  }

  void find_layers() {
    for (const WeightSlot& slot : graph_.facts.weight_slots) {
      if (slot.statistic || slot.origin.attributes.empty()) continue;
      layers_.emplace(slot.node, slot.origin.attributes.front());
    }
    // A norm may have statistics alone.
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      if (const std::string* mean = running_mean_of(graph_.nodes[id])) layers_.emplace(id, *mean);
    }
  }

  void find_readers() {
    readers_.resize(graph_.values.size());
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      for (const NodeInput& input : graph_.nodes[id].inputs) {
        readers_[input.value].push_back({id, std::nullopt, 0});
      }
    }
    for (BlockId id = 0; id < graph_.blocks.size(); ++id) {
      const std::vector<ValueId>& results = graph_.blocks[id].results;
      for (std::size_t i = 0; i < results.size(); ++i) {
        readers_[results[i]].push_back({std::nullopt, id, i});
      }
    }
  }

  [[nodiscard]] std::optional<Layers> layers_before(const Node& use) {
    Layers found;
    std::vector<ValueId> left = {use.inputs[0].value};
    std::set<ValueId> seen;
    while (!left.empty()) {
      const ValueId id = left.back();
      left.pop_back();
      if (!seen.insert(id).second) continue;
      const Value& value = graph_.values[id];
      if (!may_go_on() || (value.owner && *value.owner != 0)) return std::nullopt;
      if (value.user_input && value.type == ValueType::kTensor) return std::nullopt;
      if (!value.producer) continue;
      if (const auto layer = layers_.find(*value.producer); layer != layers_.end()) {
        found.insert(layer->second);
        continue;
      }
      const Node& node = graph_.nodes[*value.producer];
      if (!node.blocks.empty()) {
        if (node.op != "prim::If") return std::nullopt;
        const std::size_t place = place_of(id, node);
        for (const BlockId block : node.blocks) {
          const std::vector<ValueId>& results = graph_.blocks[block].results;
          if (place < results.size()) left.push_back(results[place]);
        }
      } else if (class_of(node) != OpClass::kShapeOnly) {
        for (const NodeInput& input : node.inputs) left.push_back(input.value);
      }
    }
    return found;
  }

  bool may_go_on() { return ++steps_ <= kMostSteps; }

  static std::size_t place_of(ValueId output, const Node& node) {
    const auto at = std::find(node.outputs.begin(), node.outputs.end(), output);
    return static_cast<std::size_t>(at - node.outputs.begin());
  }

  [[nodiscard]] std::optional<Layers> layers_behind(const Node& use) {
    Layers found;
    std::vector<ValueId> left = {use.outputs[0]};
    std::set<ValueId> seen;
    while (!left.empty()) {
      const ValueId id = left.back();
      left.pop_back();
      if (!seen.insert(id).second) continue;
      for (const Reader& reader : readers_[id]) {
        if (!may_go_on() || !follow(reader, found, left)) return std::nullopt;
      }
    }
    return found;
  }

  /// False where the way cannot be followed.
  bool follow(const Reader& reader, Layers& found, std::vector<ValueId>& left) const {
    if (reader.block == BlockId{0}) {
      found.insert(kResults);
      return true;
    }
    const std::optional<NodeId> id = reader.node ? reader.node : graph_.blocks[*reader.block].node;
    const Node& node = graph_.nodes[*id];
    if (!node.blocks.empty()) {
      if (node.op != "prim::If") return false;
      const bool yielded = reader.block && reader.place < node.outputs.size();
      if (yielded) left.push_back(node.outputs[reader.place]);
      return true;
    }
    if (const auto layer = layers_.find(*id); layer != layers_.end()) {
      found.insert(layer->second);
    } else if (class_of(node) != OpClass::kShapeOnly) {
      left.insert(left.end(), node.outputs.begin(), node.outputs.end());
    }
    return true;
  }

  /// True when the nodes stand in different branches of one `if`.
  [[nodiscard]] bool exclude_each_other(NodeId a, NodeId b) const {
    std::unordered_map<NodeId, BlockId> around;  ///< the node of each block that `a` stands in
    for (BlockId block = graph_.nodes[a].block; graph_.blocks[block].node;
         block = graph_.nodes[*graph_.blocks[block].node].block) {
      around.emplace(*graph_.blocks[block].node, block);
    }
    for (BlockId block = graph_.nodes[b].block; graph_.blocks[block].node;
         block = graph_.nodes[*graph_.blocks[block].node].block) {
      const auto other = around.find(*graph_.blocks[block].node);
      if (other != around.end()) return other->second != block;
    }
    return false;
  }

  void judge(std::string_view mean, const std::vector<Use>& uses) {
    for (std::size_t i = 0; i < uses.size(); ++i) {
      for (std::size_t j = i + 1; j < uses.size(); ++j) {
        const Use &a = uses[i], &b = uses[j];
        if (!a.before || !a.behind || !b.before || !b.behind) continue;
        if (!is_apart(*a.before, *b.before) || !is_apart(*a.behind, *b.behind)) continue;
        if (exclude_each_other(a.node, b.node)) continue;
        graph_.facts.reused_norms.push_back({std::string(mean), uses.size(), a.node, b.node,
                                             std::string(*a.before->begin()),
                                             std::string(*b.before->begin())});
        return;
      }
    }
  }

  const std::vector<bool>& live_;
  Graph& graph_;
  std::unordered_map<NodeId, std::string> layers_;  ///< a weight of each operator that has some
  std::vector<std::vector<Reader>> readers_;        ///< of each value
  std::size_t steps_ = 0;
};

}  // namespace

void find_reused_norms(const std::vector<bool>& live_nodes, Graph& graph) {
  Norms(live_nodes, graph).run();
}

}  // namespace torchvet
