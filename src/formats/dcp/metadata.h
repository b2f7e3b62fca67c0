#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// A box of a tensor: where it begins and how large it is, in elements, one number a dimension.
struct DcpBox {
  std::span<const std::int64_t> offsets;
  std::span<const std::int64_t> sizes;
};

/// The chunks of a tensor. A large checkpoint has hundreds of thousands, so their numbers lie in
/// one row: offsets and sizes of the first, of the second, ...
class DcpChunks {
 public:
  explicit DcpChunks(std::size_t dimensions = 0) : dimensions_(dimensions) {}

  /// Both have as many numbers as the tensor has dimensions.
  void add(std::span<const std::int64_t> offsets, std::span<const std::int64_t> sizes) {
    numbers_.insert(numbers_.end(), offsets.begin(), offsets.end());
    numbers_.insert(numbers_.end(), sizes.begin(), sizes.end());
    ++count_;
  }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] DcpBox operator[](std::size_t i) const {
    const std::span<const std::int64_t> both =
        std::span(numbers_).subspan(2 * dimensions_ * i, 2 * dimensions_);
    return {both.first(dimensions_), both.last(dimensions_)};
  }

 private:
  std::size_t dimensions_;
  std::size_t count_ = 0;
  std::vector<std::int64_t> numbers_;
};

/// Where the bytes of a chunk, or of an object, lie.
struct DcpItem {
  static constexpr std::uint32_t kNoFile = UINT32_MAX;
  std::uint32_t file = kNoFile;  ///< of `DcpMetadata::files`; kNoFile where the metadata names none
  bool transformed = false;      ///< compressed, or otherwise not what torch.save wrote
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  explicit operator bool() const { return file != kNoFile; }
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
  DcpChunks chunks;
  /// One item a chunk, in their order; the only one of an object.
  std::vector<DcpItem> items;
};

/// The contents of `.metadata`.
struct DcpMetadata {
  std::vector<DcpEntry> entries;
  std::vector<std::string> files;  ///< names of the files beside `.metadata` that items lie in
};

/// Runs the pickle of a `.metadata` file and reads the meaning out of what it builds. What is not
/// as torch.distributed.checkpoint writes it becomes a fault. Nothing, and a fault, when the pickle
/// cannot be run to its end.
///
/// The pickle becomes the artifact's main one. What it builds goes into the artifact's objects only
/// when it imports, or uses as a key, something that torch's writer does not: else there is nothing
/// in it that the entries do not say, at some kB a chunk.
[[nodiscard]] std::optional<DcpMetadata> read_dcp_metadata(ByteView file, Artifact& artifact,
                                                           const Limits& limits);

}  // namespace torchvet
