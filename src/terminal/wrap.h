#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// Breaks a line at spaces so that no part is wider than `width` columns (a code point counts as
/// one); a single longer word stays whole. A width below 20, or 0, does not break at all.
[[nodiscard]] std::vector<std::string> wrap(std::string_view line, int width);

/// Code points of UTF-8 text.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace torchvet
