#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/graph.h"

namespace torchvet {

using DefId = std::uint32_t;
inline constexpr DefId kNoDef = UINT32_MAX;

/// What a tensor holds from one point of the program on, and what that was made of.
struct Definition {
  enum class Kind : std::uint8_t {
    kComputed,       ///< from `inputs`, by `node`
    kJoined,         ///< one of `inputs`, or all of them
    kAttribute,      ///< of a module: `value`
    kConstant,       ///< tensor constant with a dimension: `value`
    kInput,          ///< argument of the method: `value`
    kRandom,         ///< made by `node`
    kRandomWrite,    ///< random numbers written over `base` by `node`
    kUninitialised,  ///< made by `node`
    kDeterministic,  ///< made by `node`
    kFill,           ///< one number written over `base` by `node`
    kNothing,        ///< no tensor's numbers: literals, shapes
  };
  static constexpr NodeId kNoNode = UINT32_MAX;
  Kind kind = Kind::kNothing;
  NodeId node = kNoNode;
  ValueId value = 0;
  DefId base = kNoDef;
  std::uint32_t leaves = 0;  ///< OriginLeaf bits of the whole backward slice
  std::vector<DefId> inputs;
};

/// What a node found in one of its inputs when it ran.
struct Read {
  DefId whole = kNoDef;
  std::vector<DefId> elements;  ///< of a list or tuple whose elements are known
};

/// What of the surroundings the flow has to know.
struct FlowContext {
  /// The leaf that an attribute stands for: kFromParameter, ... by path; others are not in it.
  const std::unordered_map<std::string_view, std::uint32_t>* attributes = nullptr;
  /// For each constant of the artifact: it has at least one dimension.
  const std::vector<bool>* constant_has_dimensions = nullptr;
};

/// The definitions of a whole graph, and which of them each parametric node reads.
struct Flow {
  std::vector<Definition> definitions;
  std::vector<bool> live_nodes;  ///< not in a branch that is never taken
  std::vector<bool> live_blocks;
  std::unordered_map<NodeId, std::vector<Read>> reads;  ///< of nodes with weight slots
  bool complete = true;  ///< false: the bound on the work was reached
};

/// Runs over the graph in order of execution. Needs a graph whose indexes are in range and whose
/// blocks form a tree, as the reader of graphs promises.
[[nodiscard]] Flow follow_values(const Graph& graph, const FlowContext& context);

/// Spreads the leaves from every definition to those made of it.
void spread_leaves(std::vector<Definition>& definitions);

}  // namespace torchvet
