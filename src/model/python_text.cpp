#include "model/python_text.h"

#include <algorithm>

namespace torchvet {
namespace {

constexpr std::string_view kForward = ".forward";

/// Bounds for texts that no author wrote.
constexpr std::size_t kMostCalls = 64;
constexpr std::size_t kLongestReceiver = 200;
constexpr std::size_t kLongestLine = 200;

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool opens(char c) { return c == '(' || c == '[' || c == '{'; }
bool closes(char c) { return c == ')' || c == ']' || c == '}'; }

/// The end of the string or comment that begins at `at`; `at` itself when none does. A string in
/// one kind of quotes ends with its line at the latest.
std::size_t end_of_quiet(std::string_view text, std::size_t at) {
  const char first = text[at];
  if (first == '#') return std::min(text.find('\n', at), text.size());
  if (first != '"' && first != '\'') return at;
  const std::string_view three = text.substr(at, 3);
  const bool tripled = three.size() == 3 && three[1] == first && three[2] == first;
  for (std::size_t i = at + (tripled ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (!tripled && text[i] == '\n') {
      return i;
    } else if (tripled ? text.substr(i, 3) == three : text[i] == first) {
      return i + (tripled ? 3 : 1);
    }
  }
  return text.size();
}

/// The text with spaces in place of what strings and comments hold.
std::string without_quiet(std::string_view text) {
  std::string plain(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_quiet(text, at);
    for (std::size_t i = at; i < end; ++i) {
      if (plain[i] != '\n') plain[i] = ' ';
    }
    at = std::max(end, at + 1);
  }
  return plain;
}

/// Where the expression begins that ends before `end`: names, dots and brackets. `end` when it is
/// too long.
std::size_t start_of_receiver(std::string_view text, std::size_t end) {
  std::size_t depth = 0;
  std::size_t at = end;
  for (; at > 0; --at) {
    const char c = text[at - 1];
    if (closes(c)) {
      ++depth;
    } else if (opens(c)) {
      if (depth == 0) break;
      --depth;
    } else if (depth == 0 && !in_name(c) && c != '.') {
      break;
    }
    if (end - at >= kLongestReceiver) return end;
  }
  return at;
}

std::string_view first_argument(std::string_view text, std::size_t open) {
  const std::size_t start = std::min(text.find_first_not_of(" \n\t", open + 1), text.size());
  std::size_t end = start;
  while (end < text.size() && in_name(text[end])) ++end;
  const std::size_t next = std::min(text.find_first_not_of(" \n\t", end), text.size());
  const bool whole = next < text.size() && (text[next] == ',' || text[next] == ')');
  return whole ? text.substr(start, end - start) : std::string_view();
}

bool is_class_name(std::string_view receiver) {
  if (receiver.starts_with("self.")) return false;
  const std::size_t dot = receiver.rfind('.');
  const char first = receiver[dot == std::string_view::npos ? 0 : dot + 1];
  return first >= 'A' && first <= 'Z';
}

std::string_view trimmed(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r") - start + 1);
}

}  // namespace

std::vector<ForwardCall> forward_calls(std::string_view text) {
  std::vector<ForwardCall> calls;
  if (text.find(kForward) == std::string_view::npos) return calls;
  const std::string plain = without_quiet(text);
  const std::string_view code = plain;
  std::uint64_t line = 0;
  std::size_t counted = 0;
  for (std::size_t at = code.find(kForward);
       at != std::string_view::npos && calls.size() < kMostCalls;
       at = code.find(kForward, at + kForward.size())) {
    const std::size_t open = at + kForward.size();
    if (open >= code.size() || code[open] != '(') continue;
    const std::size_t start = start_of_receiver(code, at);
    const std::string_view receiver = code.substr(start, at - start);
    const std::string_view argument = first_argument(code, open);
    if (receiver.empty() || receiver == "self" || receiver == "cls" ||
        receiver.starts_with("super(") || is_class_name(receiver) || argument == "self" ||
        argument == "ctx") {
      continue;
    }
    line += static_cast<std::uint64_t>(
        std::count(code.begin() + static_cast<std::ptrdiff_t>(counted),
                   code.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    counted = at;
    const std::size_t before = text.rfind('\n', at);
    const std::size_t line_start = before == std::string_view::npos ? 0 : before + 1;
    const std::size_t line_end = std::min(text.find('\n', at), text.size());
    calls.push_back(
        {std::string(text.substr(start, at - start)), line,
         std::string(
             trimmed(text.substr(line_start, line_end - line_start)).substr(0, kLongestLine))});
  }
  return calls;
}

std::string_view called_in_statement(std::string_view line) {
  const std::string plain = without_quiet(line);
  const std::string_view code = trimmed(plain);
  const std::size_t offset = static_cast<std::size_t>(code.data() - plain.data());
  std::string_view called;
  std::size_t depth = 0;
  std::size_t name_start = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (opens(c)) {
      if (depth++ == 0) {
        called = c == '(' ? line.substr(offset + name_start, i - name_start) : std::string_view();
      }
    } else if (closes(c)) {
      if (depth == 0) return {};
      if (--depth == 0) name_start = i + 1;
    } else if (depth == 0 && c == '.') {
      name_start = i + 1;
      called = {};
    } else if (depth == 0 && (!in_name(c) || !called.empty())) {
      return {};
    }
  }
  return called;
}

bool is_installed(std::string_view file) {
  return file.find("/site-packages/") != std::string_view::npos ||
         file.find("/dist-packages/") != std::string_view::npos;
}

}  // namespace torchvet
