#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "graph/attribute_numbers.h"
#include "model/graph.h"

namespace torchvet {

/// Tells where a `training` attribute makes a difference in a graph. Both must outlive this.
class TrainingFlags {
 public:
  TrainingFlags(const Graph& graph, const AttributeNumbers& numbers)
      : graph_(graph), numbers_(numbers) {}

  /// The `training` attributes that a value is computed from; sorted.
  [[nodiscard]] std::vector<std::string> behind(ValueId value) const;

  /// True when it matters for tensors which branch of an `if` is taken: one of them changes
  /// something, or they hand on different tensors or numbers.
  [[nodiscard]] bool decide_about_tensors(NodeId branch) const;

 private:
  [[nodiscard]] bool acts(const Node& node, NodeId branch) const;
  [[nodiscard]] bool acts_inside(NodeId branch) const;
  [[nodiscard]] bool lies_inside(NodeId node, NodeId branch) const;
  [[nodiscard]] std::optional<std::vector<ValueId>> handed_on(NodeId branch,
                                                              std::size_t index) const;
  [[nodiscard]] bool may_shape_tensors(const std::vector<ValueId>& values) const;

  const Graph& graph_;
  const AttributeNumbers& numbers_;
};

}  // namespace torchvet
