#include "core/escape.h"

#include <fmt/format.h>

namespace torchvet {
namespace {

struct Decoded {
  char32_t code_point = 0;
  std::size_t length = 0;  ///< 0: the byte at this place starts no valid sequence
};

/// One code point of UTF-8, strictly: no overlong form, no surrogate, nothing above U+10FFFF.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t length = 0;
  char32_t value = 0;
  char32_t least = 0;
  if ((first & 0xE0) == 0xC0) {
    length = 2, value = first & 0x1F, least = 0x80;
  } else if ((first & 0xF0) == 0xE0) {
    length = 3, value = first & 0x0F, least = 0x800;
  } else if ((first & 0xF8) == 0xF0) {
    length = 4, value = first & 0x07, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < least || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

/// Characters that act on a terminal or reorder what a reader sees: C0 and C1 controls, line and
/// paragraph separators, zero-width and bidirectional marks.
bool acts_on_the_reader(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string escaped(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  if (c < 0x100) return fmt::format("\\x{:02x}", static_cast<unsigned>(c));
  return fmt::format("\\u{:04x}", static_cast<unsigned>(c));
}

std::string cut_mark(std::size_t bytes) { return fmt::format("...(+{} bytes)", bytes); }

}  // namespace

std::string escape_text(std::string_view raw, std::size_t limit) {
  std::string out;
  bool only_spaces = true;
  for (std::size_t i = 0; i < raw.size();) {
    if (i >= limit) return out + cut_mark(raw.size() - i);
    const Decoded next = decode(raw.substr(i));
    if (next.length == 0) {
      out += escaped(static_cast<unsigned char>(raw[i]));
      ++i;
      only_spaces = false;
      continue;
    }
    // "::error::" at the start of a line is a command to a CI runner; "##[error]" and "##vso[" are
    // wherever they stand in it.
    const bool starts_command = (only_spaces && (next.code_point == ':' || next.code_point == '#')) ||
                                raw.substr(i, 2) == "##";
    only_spaces = only_spaces && next.code_point == ' ';
    if (next.code_point == '\\') {
      out += "\\\\";
    } else if (starts_command || acts_on_the_reader(next.code_point)) {
      out += escaped(next.code_point);
    } else {
      out += raw.substr(i, next.length);
    }
    i += next.length;
  }
  return out;
}

std::string to_utf8(std::string_view raw, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < raw.size();) {
    if (i >= limit) return out + cut_mark(raw.size() - i);
    const Decoded next = decode(raw.substr(i));
    if (next.length == 0) {
      out += escaped(static_cast<unsigned char>(raw[i]));
      ++i;
    } else {
      out += raw.substr(i, next.length);
      i += next.length;
    }
  }
  return out;
}

}  // namespace torchvet
