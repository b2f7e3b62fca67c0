#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// A box of a tensor: where it begins and how large it is, in elements, one number a dimension.
struct DcpChunk {
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> sizes;
};

/// Where the bytes of a chunk, or of an object, lie.
struct DcpItem {
  std::string file;  ///< beside `.metadata`
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool transformed = false;  ///< compressed, or otherwise not what torch.save wrote
};

/// One leaf of the saved object: a tensor in chunks, or any other object.
struct DcpEntry {
  std::string name;  ///< the keys on the way to it, joined by dots
  /// The keys themselves; a list position is digits with `in_list`.
  struct Key {
    std::string text;
    bool in_list = false;
  };
  std::vector<Key> path;
  bool is_tensor = false;
  DType dtype = DType::kUnknown;
  bool requires_grad = false;
  std::vector<std::int64_t> size;
  std::vector<DcpChunk> chunks;
  /// One item a chunk, in their order; the only one of an object. Nothing where the metadata names
  /// none.
  std::vector<std::optional<DcpItem>> items;
};

/// The contents of `.metadata`.
struct DcpMetadata {
  std::vector<DcpEntry> entries;
};

/// Reads the meaning out of what the pickle of a `.metadata` file built. What is not as
/// torch.distributed.checkpoint writes it becomes a fault.
[[nodiscard]] DcpMetadata read_dcp_metadata(Artifact& artifact, ObjectId root,
                                            const Limits& limits);

}  // namespace torchvet
