#pragma once

#include <cstdint>
#include <vector>

#include "graph/flow.h"
#include "model/graph.h"

namespace torchvet {

/// Tells in detail where definitions come from, by walking back from them.
class OriginReader {
 public:
  OriginReader(const Graph& graph, const Flow& flow);

  /// Leaves always; attributes, constants, chain and the marks of an initialisation only where the
  /// slice holds no argument of the method, and never more than a bounded part of the slice.
  [[nodiscard]] Origin origin_of(DefId definition);

  /// False when the bound on the work of all calls was reached and details are missing.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  void collect(DefId start, Origin& origin);
  void mark_random(const Definition& definition, Origin& origin) const;
  [[nodiscard]] bool begins_at_empty(DefId base) const;
  [[nodiscard]] std::vector<std::string> chain_from(DefId start) const;

  const Graph& graph_;
  const Flow& flow_;
  std::vector<std::uint32_t> visited_;  ///< round in which a definition was last seen
  std::uint32_t round_ = 0;
  std::uint64_t budget_ = 0;
  bool complete_ = true;
};

}  // namespace torchvet
