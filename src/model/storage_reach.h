#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// The block of bytes that a storage lies in. The legacy format writes views as storages of their
/// own, whose bytes are a part of another's; all others are their own root.
struct StoragePlace {
  StorageId root = 0;
  std::uint64_t begin = 0;  ///< in bytes, from the begin of the root
};

/// One place for each storage, by its id.
[[nodiscard]] std::vector<StoragePlace> storage_places(const Artifact& artifact);

/// Whether a strided tensor names elements behind the end of its storage. False of tensors that have
/// none, or whose element type is not known.
[[nodiscard]] bool reaches_past_storage(const Artifact& artifact, const Tensor& tensor);

/// How much of a stored block the tensors of the artifact reach.
struct StorageReach {
  StorageId storage = 0;  ///< a root
  std::uint64_t stored = 0;
  std::uint64_t reached = 0;  ///< at most this many bytes
  TensorId widest = 0;        ///< a tensor that reaches far into it
  std::uint64_t tensors = 0;  ///< different views into it
};

/// Every block whose bytes the file holds and that only tensors look into, in the order of the
/// storages. A storage that something else holds too, such as a list of storages or an object whose
/// meaning is not known, is left out. Nothing at all when the artifact was not read whole: a tensor
/// that was not seen could reach what seems lost.
[[nodiscard]] std::vector<StorageReach> storage_reach(const Artifact& artifact);

}  // namespace torchvet
