#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// The name of a tensor, and whether something is true of it.
struct MarkedName {
  std::string_view name;  ///< "layers.2.attn.weight"
  bool marked = false;
};

/// Marked names that belong together.
struct NameGroup {
  std::string module;                ///< the innermost one around all of them: "layers.2.attn"
  std::vector<std::size_t> members;  ///< indexes into the names, in their order
};

/// Puts marked names together when they are all the names of one module; the largest such module
/// counts. A marked name beside an unmarked one of its own module is a group of its own. In the order
/// of their first members.
[[nodiscard]] std::vector<NameGroup> group_marked(const std::vector<MarkedName>& names);

}  // namespace torchvet
