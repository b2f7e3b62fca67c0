#include "worker/code_text.h"

#include <algorithm>

namespace torchvet {
namespace {

/// How far from a call is looked, either way: the code may be long, and hostile.
constexpr std::size_t kMostArguments = 2000;
constexpr std::size_t kMostBefore = 1 << 16;
constexpr std::size_t kMostType = 1000;
constexpr std::size_t kMostKeywords = 32;  // LibTorch takes 64 arguments at most

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view without_indent(std::string_view line) {
  return line.substr(std::min(line.find_first_not_of(' '), line.size()));
}

/// The rest of the line that begins behind the last `marker` of `before`.
std::string_view last_declaration(std::string_view before, std::string_view marker) {
  before = before.substr(before.size() - std::min(before.size(), kMostBefore));
  const std::size_t at = before.rfind(marker);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = before.substr(at + marker.size());
  const std::string_view type = rest.substr(0, rest.find('\n'));
  return type.size() <= kMostType ? type : std::string_view();
}

std::string_view return_type(std::string_view before) {
  std::string_view type = last_declaration(before, ") -> ");
  if (type.ends_with(':')) type.remove_suffix(1);
  return type;
}

std::string_view attribute_type(std::string_view before, std::string_view name) {
  return last_declaration(before, "\n  " + std::string(name) + " : ");
}

/// "kept" of "self.kept = ".
std::string_view assigned_attribute(std::string_view line) {
  constexpr std::string_view kSelf = "self.";
  if (!line.starts_with(kSelf)) return {};
  line.remove_prefix(kSelf.size());
  const std::string_view name = take_name(line);
  return line.starts_with(" = ") ? name : std::string_view();
}

/// The type of a local name, when the next line hands it on.
std::string_view type_of_local(std::string_view code, std::size_t call, std::string_view name) {
  const std::size_t end = code.find('\n', call);
  if (end == std::string_view::npos) return {};
  std::string_view next = code.substr(end + 1);
  next = without_indent(next.substr(0, next.find('\n')));
  const std::string_view before = code.substr(0, call);
  if (next == "return " + std::string(name)) return return_type(before);
  const std::string_view attribute = assigned_attribute(next);
  if (attribute.empty() || !next.ends_with(" = " + std::string(name))) return {};
  return attribute_type(before, attribute);
}

/// The names before `=` in the arguments themselves, not in those of calls inside.
std::vector<std::string> keywords_in(std::string_view arguments) {
  std::vector<std::string> found;
  std::size_t depth = 0;
  std::size_t name = 0;  // where the last name began
  bool quoted = false;
  arguments = arguments.substr(0, kMostArguments);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const char c = arguments[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      if (--depth == 0) break;
    } else if (is_name_char(c)) {
      if (!is_name_char(arguments[i - 1])) name = i;
    } else if (c == '=' && depth == 1 && is_name_char(arguments[i - 1]) &&
               found.size() < kMostKeywords) {
      found.emplace_back(arguments.substr(name, i - name));
    }
  }
  return found;
}

}  // namespace

std::string_view take_name(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_name_char(text[length])) ++length;
  const std::string_view name = text.substr(0, length);
  text.remove_prefix(length);
  return name;
}

CallSite call_site(std::string_view code, std::size_t call, std::size_t arguments) {
  CallSite site;
  site.keywords = keywords_in(code.substr(arguments));
  const std::string_view before = code.substr(0, call);
  const std::size_t newline = before.rfind('\n');
  const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  const std::string_view line = without_indent(before.substr(begin));
  if (line == "return ") {
    site.type = return_type(before);
    return site;
  }
  if (!line.ends_with(" = ")) return site;  // inside another call
  if (const std::string_view name = assigned_attribute(line); !name.empty()) {
    site.type = attribute_type(before, name);
    return site;
  }
  const std::string_view names = line.substr(0, line.size() - 3);
  std::size_t count = 0;
  std::string_view last;
  for (std::size_t at = 0; at < names.size();) {
    std::string_view rest = names.substr(at);
    const std::string_view name = take_name(rest);
    if (name.empty() && names[at] != ' ' && names[at] != ',') return site;
    if (!name.empty()) last = name;
    count += name.empty() ? 0 : 1;
    at += std::max<std::size_t>(name.size(), 1);
  }
  site.results = std::max<std::size_t>(count, 1);
  site.unpacked = names.ends_with(',');
  if (count == 1 && !site.unpacked) site.type = type_of_local(code, call, last);
  return site;
}

}  // namespace torchvet
