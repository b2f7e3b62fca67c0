#pragma once

#include <algorithm>
#include <string_view>

namespace torchvet {

/// The name that the tables of operators use: "linear" for "aten::linear".
inline std::string_view short_name(std::string_view op) {
  constexpr std::string_view kAten = "aten::";
  return op.starts_with(kAten) ? op.substr(kAten.size()) : op;
}

/// Calls `use` with every word of a text that has one space between words.
template <typename Use>
void for_each_word(std::string_view words, Use use) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    use(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

}  // namespace torchvet
