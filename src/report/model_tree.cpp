#include "report/model_tree.h"

#include <algorithm>
#include <map>
#include <utility>

namespace torchvet {
namespace {

constexpr std::size_t kDeepest = 64;

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    std::size_t end = path.find_first_of(".[", 1);
    if (end == std::string_view::npos || parts.size() + 1 == kDeepest) end = path.size();
    parts.push_back(path.substr(0, end));
    path.remove_prefix(end);
    if (path.starts_with('.') && path.size() > 1) path.remove_prefix(1);
  }
  return parts;
}

void add_kind(std::vector<std::string_view>& kinds, bool& more, std::string_view kind) {
  if (kind.empty() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return;
  if (kinds.size() < TreeNode::kMostKinds) {
    kinds.push_back(kind);
  } else {
    more = true;
  }
}

/// Nodes in the order in which the file names them: a parent stands before its children.
class Builder {
 public:
  explicit Builder(std::size_t room) : most_(room + 1), nodes_(1), children_(1) {}

  /// Null when there is no room.
  TreeNode* at(std::string_view path) {
    std::uint32_t node = 0;
    const std::vector<std::string_view> parts = components(path);
    if (nodes_.size() + parts.size() > most_) return nullptr;
    for (const std::string_view part : parts) {
      const auto next = static_cast<std::uint32_t>(nodes_.size());
      const auto [found, fresh] = index_.emplace(std::pair(node, part), next);
      if (fresh) {
        nodes_.push_back({part, node, nodes_[node].depth + 1});
        children_.emplace_back();
        children_[node].push_back(next);
      }
      node = found->second;
    }
    return &nodes_[node];
  }

  /// Sums up from the leaves, and puts the nodes in preorder.
  std::vector<TreeNode> finish() {
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      TreeNode& node = nodes_[i];
      if (node.tensor != nullptr) {
        const std::uint64_t own =
            node.tensor->role == TensorRole::kParameter ? node.tensor->elements.value_or(0) : 0;
        if (__builtin_add_overflow(node.parameters, own, &node.parameters)) {
          node.parameters = UINT64_MAX;
        }
        ++node.tensors;
        add_kind(node.dtypes, node.more_dtypes, node.tensor->dtype);
        add_kind(node.devices, node.more_devices, node.tensor->device);
      }
      if (i > 0) add_to_parent(node, nodes_[node.parent]);
    }
    std::vector<TreeNode> sorted;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> open = {{0, 0}};  // node, its new parent
    while (!open.empty()) {
      const auto [i, parent] = open.back();
      open.pop_back();
      const auto place = static_cast<std::uint32_t>(sorted.size());
      sorted.push_back(std::move(nodes_[i]));
      sorted.back().parent = parent;
      for (auto child = children_[i].rbegin(); child != children_[i].rend(); ++child) {
        open.emplace_back(*child, place);
      }
    }
    return sorted;
  }

 private:
  static void add_to_parent(const TreeNode& node, TreeNode& parent) {
    if (__builtin_add_overflow(parent.parameters, node.parameters, &parent.parameters)) {
      parent.parameters = UINT64_MAX;
    }
    parent.tensors += node.tensors;
    for (const std::string_view dtype : node.dtypes) {
      add_kind(parent.dtypes, parent.more_dtypes, dtype);
    }
    for (const std::string_view device : node.devices) {
      add_kind(parent.devices, parent.more_devices, device);
    }
    parent.more_dtypes |= node.more_dtypes;
    parent.more_devices |= node.more_devices;
  }

  const std::size_t most_;
  std::vector<TreeNode> nodes_;
  std::vector<std::vector<std::uint32_t>> children_;
  std::map<std::pair<std::uint32_t, std::string_view>, std::uint32_t> index_;
};

}  // namespace

std::uint32_t ModelTree::find(std::string_view path) const {
  std::uint32_t node = 0;
  for (const std::string_view part : components(path)) {
    const auto key = std::pair(node, part);
    const auto place = std::lower_bound(by_name.begin(), by_name.end(), key,
                                        [this](std::uint32_t i, const auto& wanted) {
                                          return std::pair(nodes[i].parent, nodes[i].name) < wanted;
                                        });
    if (place == by_name.end() || nodes[*place].parent != node || nodes[*place].name != part) break;
    node = *place;
  }
  return node;
}

ModelTree tree_of(const ReportedModel& model, std::size_t room) {
  Builder builder(room);
  std::uint64_t left_out = model.left_out;
  for (const ReportedModule& module : model.modules) {
    if (TreeNode* node = builder.at(module.path)) {
      node->module = &module;
    } else {
      ++left_out;
    }
  }
  for (const ReportedTensor& tensor : model.tensors) {
    if (TreeNode* node = builder.at(tensor.path)) {
      node->tensor = &tensor;
    } else {
      ++left_out;
    }
  }
  ModelTree tree{builder.finish(), left_out, {}};
  for (std::uint32_t i = 1; i < tree.nodes.size(); ++i) tree.by_name.push_back(i);
  std::sort(tree.by_name.begin(), tree.by_name.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(tree.nodes[a].parent, tree.nodes[a].name) <
           std::pair(tree.nodes[b].parent, tree.nodes[b].name);
  });
  return tree;
}

}  // namespace torchvet
