#pragma once

#include <algorithm>
#include <string_view>

namespace torchvet {

/// Calls `use` with every part of a text between separators, empty ones too; not at all for no text.
template <typename Use>
void for_each_part(std::string_view text, char separator, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace torchvet
