#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "model/object.h"

namespace torchvet {

/// Longest path that a walk over objects makes, and longest part of one, in bytes.
inline constexpr std::size_t kMaxObjectPath = 4096;
inline constexpr std::size_t kMaxObjectKey = 1024;

/// `path` and one more name: "model" and "layers" are "model.layers". Cut at `kMaxObjectPath`.
[[nodiscard]] std::string joined_path(const std::string& path, std::string_view name);

/// An object that a walk has still to visit. A container may have a million of them, so they share
/// the path of the container, and each is spelled out only when its turn comes.
struct ObjectPlace {
  ObjectId id = kNoObject;
  std::shared_ptr<const std::string> above;  ///< path of the container
  ObjectId key = kNoObject;                  ///< under which it lies; else `index` counts
  std::size_t index = 0;
  std::size_t depth = 0;
  bool in_object = false;  ///< below an instance that is no module
};

/// Where a walk begins.
[[nodiscard]] ObjectPlace root_place(ObjectId id, std::string path = {});

/// "model.layers[3]". At most `kMaxObjectPath` bytes.
[[nodiscard]] std::string path_of(const ObjectTree& tree, const ObjectPlace& place);

}  // namespace torchvet
