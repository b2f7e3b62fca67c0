#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace torchvet {

class FolderNames;
class Source;

/// "model-00002-of-00004.safetensors" is shard 2 of 4 of "model-" and ".safetensors".
struct ShardName {
  std::string stem;
  std::string ending;
  std::uint64_t number = 0;
  std::uint64_t count = 0;
};

[[nodiscard]] std::optional<ShardName> shard_name(std::string_view file_name);

/// An error (kIndexMissing) when `file` is one of several shards of Hugging Face libraries that lie
/// beside each other without an index: `from_pretrained` finds no weights there. A shard that lies
/// alone was taken out of its folder, which is nobody's mistake. `folders` remembers what is in them, for those who
/// read all shards; nullptr lists the folder anew.
[[nodiscard]] std::optional<Error> missing_index(const Source& file, FolderNames* folders);

}  // namespace torchvet
