#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "model/dtype.h"

namespace torchvet {

using StorageId = std::uint32_t;
using TensorId = std::uint32_t;
using MemberId = std::uint32_t;

/// A block of bytes that one or more tensors look into, as the file describes it.
struct Storage {
  /// A box of a row-major tensor whose bytes lie somewhere by themselves.
  struct Piece {
    ByteView bytes;                     ///< from the first element on
    std::vector<std::int64_t> offsets;  ///< of the box in the tensor, in elements
    std::vector<std::int64_t> sizes;
    std::vector<std::int64_t> strides;  ///< of the box in `bytes`, in elements
  };

  std::string key;                  ///< its name in the file; free text, never a path to open
  DType dtype = DType::kUnknown;    ///< element type of its first mention (uint8 when untyped)
  std::uint64_t declared_bytes = 0; ///< element count of the file times item size
  std::string location;             ///< device at save time: "cpu", "cuda:1", "meta"
  std::optional<MemberId> member;   ///< archive member that holds it
  bool present = false;             ///< the file holds its bytes
  bool compressed = false;          ///< the member is deflated: `bytes` are the compressed ones
  ByteView bytes;                   ///< what lies on disk; empty when absent
  /// `bytes` lie in the inflated contents of an outer member, which the artifact keeps alive, and not
  /// in the file; their offset counts on from that member's.
  bool inflated = false;
  /// The parts of a storage that lies in several places: those of a sharded tensor. `bytes` is empty
  /// then; the boxes cover a tensor of `pieces_shape` without a hole.
  std::vector<Piece> pieces;
  std::vector<std::int64_t> pieces_shape;
  bool big_endian = false;          ///< multi-byte elements must be swapped

  /// Bytes on disk, wherever they lie.
  [[nodiscard]] std::uint64_t stored_bytes() const {
    std::uint64_t sum = bytes.size();
    for (const Piece& piece : pieces) sum += piece.bytes.size();  // each part of a mapped file
    return sum;
  }
};

}  // namespace torchvet
