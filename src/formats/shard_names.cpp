#include "formats/shard_names.h"

#include <algorithm>
#include <vector>

#include "io/folder_names.h"

namespace torchvet {
namespace {

std::optional<std::uint64_t> digits_of(std::string_view text) {
  if (text.empty() || text.size() > 9) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace

std::optional<ShardName> shard_name(std::string_view file_name) {
  const std::size_t of = file_name.rfind("-of-");
  if (of == std::string_view::npos) return std::nullopt;
  const std::size_t dash = file_name.rfind('-', of == 0 ? 0 : of - 1);
  const std::size_t dot = file_name.find('.', of);
  if (dash == std::string_view::npos || dash >= of || dot == std::string_view::npos) {
    return std::nullopt;
  }
  const auto number = digits_of(file_name.substr(dash + 1, of - dash - 1));
  const auto count = digits_of(file_name.substr(of + 4, dot - of - 4));
  if (!number || !count) return std::nullopt;
  return ShardName{std::string(file_name.substr(0, dash + 1)), std::string(file_name.substr(dot)),
                   *number, *count};
}

std::optional<Error> missing_index(const Source& file, FolderNames* folders) {
  const std::string& path = file.path();
  const std::optional<ShardName> shard =
      shard_name(std::string_view(path).substr(path.rfind('/') + 1));
  if (!shard || (shard->ending != ".safetensors" && shard->ending != ".bin")) return std::nullopt;
  std::uint64_t together = 0;
  for (const std::string& name : folders ? folders->beside(file) : file.sibling_names()) {
    if (name.ends_with(".index.json")) return std::nullopt;
    const std::optional<ShardName> other = shard_name(name);
    if (other && other->stem == shard->stem && other->ending == shard->ending &&
        other->count == shard->count) {
      ++together;
    }
  }
  if (together < 2) return std::nullopt;
  const std::string index =
      shard->stem.substr(0, shard->stem.size() - 1) + shard->ending + ".index.json";
  return Error{ErrorCode::kIndexMissing, 0,
               "it is shard " + std::to_string(shard->number) + " of " +
                   std::to_string(shard->count) + ", and no index lies beside it (" + index +
                   ")"};
}

}  // namespace torchvet
