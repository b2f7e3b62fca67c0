#include "formats/pickle/literals.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace torchvet {
namespace {

/// Above this many bytes a number is written in hexadecimal: converting to decimal is quadratic.
constexpr std::size_t kMaxDecimalBytes = 256;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// CPython reads numbers as C strings: a NUL ends them, whatever follows on the line.
std::string_view up_to_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

/// `magnitude` is little-endian and without zero bytes at its end.
std::string magnitude_text(std::string magnitude, bool negative) {
  std::string text;
  if (magnitude.size() > kMaxDecimalBytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    for (const char c : magnitude) {
      text.push_back(kHex[static_cast<std::uint8_t>(c) & 15]);
      text.push_back(kHex[static_cast<std::uint8_t>(c) >> 4]);
    }
    text += "x0";
  } else {
    while (!magnitude.empty()) {
      unsigned remainder = 0;
      for (std::size_t i = magnitude.size(); i-- > 0;) {
        const unsigned value = remainder * 256 + static_cast<std::uint8_t>(magnitude[i]);
        magnitude[i] = static_cast<char>(value / 10);
        remainder = value % 10;
      }
      text.push_back(static_cast<char>('0' + remainder));
      while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
    }
  }
  if (negative) text.push_back('-');
  std::reverse(text.begin(), text.end());
  return text;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

/// Exactly `count` hexadecimal digits at `at`.
std::optional<std::uint32_t> hex_digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at > text.size() || text.size() - at < count) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int digit = digit_of(text[at + i]);
    if (digit > 15) return std::nullopt;
    value = value * 16 + static_cast<std::uint32_t>(digit);
  }
  return value;
}

}  // namespace

Object integer_from_bytes(std::string_view bytes) {
  Object object;
  if (bytes.size() <= 8) {
    std::uint64_t value = 0;
    if (!bytes.empty()) {
      const bool negative = (static_cast<std::uint8_t>(bytes.back()) & 0x80) != 0;
      if (negative) value = UINT64_MAX;
      std::memcpy(&value, bytes.data(), bytes.size());
    }
    object.value = static_cast<std::int64_t>(value);
    return object;
  }
  const bool negative = (static_cast<std::uint8_t>(bytes.back()) & 0x80) != 0;
  std::string magnitude(bytes);
  if (negative) {
    unsigned carry = 1;
    for (char& c : magnitude) {
      const unsigned inverted = static_cast<std::uint8_t>(~static_cast<std::uint8_t>(c)) + carry;
      c = static_cast<char>(inverted & 0xff);
      carry = inverted >> 8;
    }
  }
  while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
  std::uint64_t low = 0;
  std::memcpy(&low, magnitude.data(), std::min<std::size_t>(magnitude.size(), 8));
  const std::uint64_t limit = negative ? 1ull << 63 : (1ull << 63) - 1;
  if (magnitude.size() <= 8 && low <= limit) {
    object.value = static_cast<std::int64_t>(negative ? 0 - low : low);
  } else {
    object.value = Object::BigInt{magnitude_text(std::move(magnitude), negative)};
  }
  return object;
}

std::optional<Object> integer_from_text(std::string_view line, bool long_suffix) {
  const std::size_t line_length = line.size();
  // strtol takes the empty string before a NUL for 0.
  if (!long_suffix && !line.empty() && line.front() == '\0') line = line_length == 2 ? "00" : "0";
  if (long_suffix && !line.empty() && line.back() == 'L') line.remove_suffix(1);
  std::string_view digits = trimmed(up_to_nul(line));
  bool negative = false;
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+')) {
    negative = digits.front() == '-';
    digits.remove_prefix(1);
  }
  int base = 10;
  if (digits.size() > 1 && digits.front() == '0') {
    const char mark = static_cast<char>(digits[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 8;
    digits.remove_prefix(mark == 'x' || mark == 'o' || mark == 'b' ? 2 : 1);
  }
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  bool fits = true;
  std::string kept;
  for (const char c : digits) {
    if (c == '_') continue;
    const int digit = digit_of(c);
    if (digit >= base) return std::nullopt;
    kept.push_back(c);
    fits = fits && !__builtin_mul_overflow(value, static_cast<std::uint64_t>(base), &value) &&
           !__builtin_add_overflow(value, static_cast<std::uint64_t>(digit), &value);
  }
  if (kept.empty()) return std::nullopt;
  Object object;
  const std::uint64_t limit = negative ? 1ull << 63 : (1ull << 63) - 1;
  if (!fits || value > limit) {
    const std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
    object.value = Object::BigInt{(negative ? "-" : "") + prefix + kept};
  } else if (!long_suffix && line_length == 2 && value <= 1 && !(negative && value == 1)) {
    object.value = value == 1;
  } else {
    object.value = static_cast<std::int64_t>(negative ? 0 - value : value);
  }
  return object;
}

std::optional<double> float_from_text(std::string_view line) {
  const std::string text(trimmed(up_to_nul(line)));
  // strtod takes hexadecimal floats, which Python does not.
  if (text.empty() || text.find_first_of("xX") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> index_from_text(std::string_view line) {
  line = trimmed(up_to_nul(line));
  if (!line.empty() && line.front() == '+') line.remove_prefix(1);
  if (line.empty()) return std::nullopt;
  std::uint64_t index = 0;
  for (const char c : line) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(index, 10u, &index) ||
        __builtin_add_overflow(index, static_cast<std::uint64_t>(c - '0'), &index)) {
      return std::nullopt;
    }
  }
  return index;
}

std::optional<std::string> string_from_quoted(std::string_view line) {
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  if (line.size() < 2 || line.front() != line.back() ||
      (line.front() != '\'' && line.front() != '"')) {
    return std::nullopt;
  }
  line = line.substr(1, line.size() - 2);
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      out.push_back(line[i]);
      continue;
    }
    if (++i == line.size()) return std::nullopt;
    switch (line[i]) {
      case '\n':
        break;
      case '\\':
      case '\'':
      case '"':
        out.push_back(line[i]);
        break;
      case 'a':
        out.push_back('\a');
        break;
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'v':
        out.push_back('\v');
        break;
      case 'x': {
        const std::optional<std::uint32_t> value = hex_digits(line, i + 1, 2);
        if (!value) return std::nullopt;
        out.push_back(static_cast<char>(*value));
        i += 2;
        break;
      }
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7': {
        unsigned value = 0;
        std::size_t n = 0;
        for (; n < 3 && i + n < line.size() && line[i + n] >= '0' && line[i + n] <= '7'; ++n) {
          value = value * 8 + static_cast<unsigned>(line[i + n] - '0');
        }
        out.push_back(static_cast<char>(value & 0xff));
        i += n - 1;
        break;
      }
      default:
        out.push_back('\\');
        out.push_back(line[i]);
    }
  }
  return out;
}

std::optional<std::string> string_from_raw_unicode(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escape =
        line[i] == '\\' && i + 1 < line.size() && (line[i + 1] == 'u' || line[i + 1] == 'U');
    if (!escape) {
      append_utf8(out, static_cast<std::uint8_t>(line[i]));
      // A doubled backslash is two characters and starts no escape.
      if (line[i] == '\\' && i + 1 < line.size()) {
        append_utf8(out, static_cast<std::uint8_t>(line[++i]));
      }
      continue;
    }
    const std::size_t count = line[i + 1] == 'u' ? 4 : 8;
    const std::optional<std::uint32_t> code = hex_digits(line, i + 2, count);
    if (!code || *code > 0x10ffff) return std::nullopt;
    append_utf8(out, *code);
    i += 1 + count;
  }
  return out;
}

bool is_utf8_with_surrogates(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::uint8_t lead = static_cast<std::uint8_t>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return false;
    std::uint32_t code = lead & (0xffu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const std::uint8_t next = static_cast<std::uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = (code << 6) | (next & 0x3f);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff))) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace torchvet
