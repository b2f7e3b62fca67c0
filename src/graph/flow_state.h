#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "graph/flow.h"

namespace torchvet {

/// What the walk of flow.cpp keeps of tensors, and of the blocks that it stands in.

using CellId = std::uint32_t;
struct Cell {
  DefId definition = kNoDef;
  std::vector<CellId> elements;
  std::uint64_t joined_at = 0;  ///< number of writes when `definition` joined the elements
  bool lasting = false;  ///< an attribute or input: what was there still counts after a write
};

struct Place {
  CellId cell = UINT32_MAX;
  bool partial = false;  ///< a part of the cell: a write to it does not replace everything
};

struct Frame {
  BlockId block = 0;
  std::size_t next = 0;
};

/// A node whose blocks are being walked.
struct Region {
  NodeId node = 0;
  std::vector<BlockId> blocks;
  std::size_t at = 0;
  std::size_t log_mark = 0;
  std::vector<std::vector<std::pair<CellId, DefId>>> changes;  ///< of each block
  std::vector<std::vector<DefId>> results;                     ///< of each block
  std::vector<DefId> carried;  ///< joins at the top of a loop's body, to be closed at its end
};

}  // namespace torchvet
