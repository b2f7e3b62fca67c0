#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/reported_model.h"

namespace torchvet {

/// A component of the paths of an artifact: a module, a key, or a tensor; a tensor under which
/// others hang is both.
struct TreeNode {
  std::string_view name;  ///< "layers", "[0]", "weight"; of the root ""
  std::uint32_t parent = 0;
  std::uint32_t depth = 0;
  const ReportedModule* module = nullptr;
  const ReportedTensor* tensor = nullptr;

  // Of the node and all below it.
  std::uint64_t parameters = 0;  ///< numbers in parameters; stops at the largest
  std::uint64_t tensors = 0;
  std::vector<std::string_view> dtypes;   ///< kMostKinds at most
  std::vector<std::string_view> devices;  ///< the same
  bool more_dtypes = false, more_devices = false;

  static constexpr std::size_t kMostKinds = 4;
};

/// The tree of the paths of modules and tensors.
struct ModelTree {
  /// In preorder, children in the order of the file; [0] is the root.
  std::vector<TreeNode> nodes;
  std::uint64_t left_out = 0;  ///< modules and tensors for which there was no room

  /// The deepest node on a path: 0 where nothing of it is known.
  [[nodiscard]] std::uint32_t find(std::string_view path) const;

  /// Nodes sorted by parent and name, for `find`.
  std::vector<std::uint32_t> by_name;
};

/// Views into the model, which must outlive the tree. Paths are split at dots and before brackets;
/// what is deeper than 64 components is one name. At most `room` nodes besides the root.
[[nodiscard]] ModelTree tree_of(const ReportedModel& model, std::size_t room);

}  // namespace torchvet
