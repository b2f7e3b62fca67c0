#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/graph.h"

namespace torchvet {

/// Backward slices of a graph: which values can have an influence on others, and by which kind of way.
///
/// Finer questions than where a weight comes from (provenance.cpp) are not asked here, so a slice does
/// not follow time: a tensor that is written in place is made of everything that is ever written to it,
/// and a loop of everything that it carries. Each walk costs the size of the graph.
class Slices {
 public:
  enum class Way : std::uint8_t {
    kNumbers,   ///< by what the numbers are; a tensor's shape or type alone carries nothing on
    kGradient,  ///< by what a gradient passes: no `detach`, nothing under no_grad
    kDetached,  ///< as kGradient, but through nodes under no_grad
  };

  explicit Slices(const Graph& graph);

  /// For each value, whether it is in the slice of `from`, which is in it.
  [[nodiscard]] std::vector<bool> behind(const std::vector<ValueId>& from, Way way) const;

  /// For each value, whether the numbers of one of `from` have an influence on it.
  [[nodiscard]] std::vector<bool> ahead_of(const std::vector<ValueId>& from) const;

  /// What the method leaves behind: its results, what mutated buffers hold, and attributes that are
  /// written in place.
  [[nodiscard]] std::vector<ValueId> results() const;

  /// The value whose memory this one is a view of; itself when it is none.
  [[nodiscard]] ValueId root_of(ValueId value) const { return roots_[value]; }

 private:
  /// What a value is made of, but for what is written into it. `plain` is set when all outputs of its
  /// node are made of the same.
  void push_sources(ValueId value, Way way, std::vector<ValueId>& out, bool& plain) const;
  void push_block_sources(const Node& node, std::size_t output, Way way,
                          std::vector<ValueId>& out) const;
  void push_parameter_sources(ValueId value, std::vector<ValueId>& out) const;
  bool push_element(const Node& node, std::size_t output, std::vector<ValueId>& out) const;

  const Graph& graph_;
  std::vector<ValueId> roots_;
  std::vector<std::uint32_t> positions_;  ///< of a value among its node's outputs or its block's
                                          ///< parameters
  std::unordered_map<ValueId, std::vector<NodeId>> writers_;  ///< in place, by root
};

/// Ways a gradient does not go on: `detach` and reading `.data`.
[[nodiscard]] bool cuts_gradient(const Node& node);

}  // namespace torchvet
