#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace torchvet {

/// Longest text from an artifact that is printed whole; what is cut is marked with its length.
inline constexpr std::size_t kMaxPrinted = 400;

/// Text from an artifact, made safe to print on a terminal or into a log: control bytes (ESC and
/// newlines among them), DEL, the Unicode controls and bidirectional overrides, and bytes that are
/// no UTF-8 become `\xNN`, `\n` or `\uNNNN`; a backslash is doubled; a leading `:` or `#` and
/// every `##` are escaped so that a line of a CI log can never be a command to its runner; and what is
/// longer than `limit` bytes is cut and marked `...(+N bytes)`.
[[nodiscard]] std::string escape_text(std::string_view raw, std::size_t limit = kMaxPrinted);

/// The same bytes with everything that is not UTF-8 written as `\xNN`: what JSON can carry.
[[nodiscard]] std::string to_utf8(std::string_view raw, std::size_t limit = SIZE_MAX);

}  // namespace torchvet
