#pragma once

#include <string>
#include <string_view>

namespace torchvet {

/// Does a file's path match? A pattern with a slash is matched against the whole path, one without
/// against the file's name. `*` matches slashes too, so `**` needs no meaning of its own.
[[nodiscard]] bool glob_matches_path(const std::string& glob, const std::string& path);

/// Does a whole text match? One that is longer than 4,096 bytes never does: it comes from an
/// artifact, and matching can cost more than its length.
[[nodiscard]] bool glob_matches(const std::string& glob, const std::string& text);

}  // namespace torchvet
