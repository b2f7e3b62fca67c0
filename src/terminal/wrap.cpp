#include "terminal/wrap.h"

#include <algorithm>

namespace torchvet {

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::vector<std::string> wrap(std::string_view line, int width) {
  constexpr int kNarrowest = 20;
  if (width < kNarrowest) return {std::string(line)};
  const std::size_t limit = static_cast<std::size_t>(width);
  std::vector<std::string> parts;
  std::string current;
  std::size_t used = 0;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    const std::size_t wide = display_width(word);
    if (used > 0 && used + 1 + wide > limit) {
      parts.push_back(std::move(current));
      current.clear();
      used = 0;
    }
    if (used > 0) current += ' ', ++used;
    current += word;
    used += wide;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  parts.push_back(std::move(current));
  return parts;
}

}  // namespace torchvet
