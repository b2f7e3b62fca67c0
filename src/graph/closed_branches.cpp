// `if self.use_memory:` where `use_memory` was False when the program was scripted.
//
// A flag that is a plain attribute stays in the program, with the value that it had, and both
// branches stay with it. Options are written that way, so a closed branch is nothing to report
// unless it holds parameters that no other place reads: then a part of the model is carried along
// and never runs. Conditions that are written out (`if False:`) and Final attributes never reach a
// file: torch leaves such branches out when it scripts.
#include "graph/closed_branches.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace torchvet {
namespace {

constexpr int kMostNegations = 8;

class Closed {
 public:
  Closed(const Artifact& artifact, const AttributeNumbers& numbers, Graph& graph)
      : artifact_(artifact), numbers_(numbers), graph_(graph) {}

  void run() {
    if (graph_.blocks.size() == 1 || sets_flags()) return;
    find_branches();
    if (branches_.empty()) return;
    find_parameters();
    for (const Node& node : graph_.nodes) {
      for (const NodeInput& input : node.inputs) note_read(input.value, node.block);
    }
    for (BlockId block = 0; block < graph_.blocks.size(); ++block) {
      for (const ValueId result : graph_.blocks[block].results) note_read(result, block);
    }
    for (const auto& [path, branch] : inside_) {
      if (!outside_.contains(path)) branches_[branch].parameters.emplace_back(path);
    }
    for (ClosedBranch& branch : branches_) {
      if (!branch.parameters.empty()) graph_.facts.closed_branches.push_back(std::move(branch));
    }
  }

 private:
  /// A program that writes flags may open the branch by itself.
  [[nodiscard]] bool sets_flags() const {
    return std::any_of(artifact_.graphs.begin(), artifact_.graphs.end(), [](const Graph& graph) {
      return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
        return node.op == "prim::SetAttr" && !node.inputs.empty() &&
               graph.values[node.inputs.back().value].type == ValueType::kBool;
      });
    });
  }

  void find_branches() {
    block_branch_.resize(graph_.blocks.size());
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const Node& node = graph_.nodes[id];
      if (node.op != "prim::If" || node.inputs.empty() || node.blocks.size() != 2) continue;
      const Value* condition = &graph_.values[node.inputs[0].value];
      bool negated = false;
      for (int i = 0; i < kMostNegations && condition->producer; ++i) {
        const Node& maker = graph_.nodes[*condition->producer];
        if (maker.op != "aten::__not__" || maker.inputs.empty()) break;
        negated = !negated;
        condition = &graph_.values[maker.inputs[0].value];
      }
      if (!condition->attribute || is_mode(*condition->attribute)) continue;
      const std::optional<bool> value = numbers_.flag_at(*condition->attribute);
      if (!value) continue;
      block_branch_[node.blocks[*value != negated ? 1 : 0]] = branches_.size();
      branches_.push_back({id, *condition->attribute, *value, {}});
    }
    // Blocks come after those that they stand in.
    for (BlockId block = 1; block < graph_.blocks.size(); ++block) {
      if (block_branch_[block] || !graph_.blocks[block].node) continue;
      block_branch_[block] = block_branch_[graph_.nodes[*graph_.blocks[block].node].block];
    }
  }

  static bool is_mode(std::string_view path) {
    return path == "training" || path.ends_with(".training");
  }

  void find_parameters() {
    for (const Tensor& tensor : artifact_.tensors) {
      if (tensor.role != TensorRole::kParameter) continue;
      parameters_.insert(tensor.object_path);
      for (const std::string& alias : tensor.aliases) parameters_.insert(alias);
    }
  }

  void note_read(ValueId id, BlockId block) {
    const std::optional<std::string>& path = graph_.values[id].attribute;
    if (!path || !parameters_.contains(*path)) return;
    if (block_branch_[block]) {
      inside_.emplace(*path, *block_branch_[block]);
    } else {
      outside_.insert(*path);
    }
  }

  const Artifact& artifact_;
  const AttributeNumbers& numbers_;
  Graph& graph_;
  std::vector<ClosedBranch> branches_;
  std::vector<std::optional<std::size_t>> block_branch_;  ///< the branch that each block is in
  std::unordered_set<std::string_view> parameters_;
  std::map<std::string_view, std::size_t>
      inside_;  ///< parameters by path, and a branch that reads them
  std::set<std::string_view> outside_;
};

}  // namespace

void find_closed_branches(const Artifact& artifact, const AttributeNumbers& numbers, Graph& graph) {
  Closed(artifact, numbers, graph).run();
}

}  // namespace torchvet
