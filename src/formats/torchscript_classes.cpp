#include "formats/torchscript_classes.h"

#include <utility>

namespace torchvet {
namespace {

/// The strings of `["weight", "bias", ]`. The printer escapes only quotes, backslashes and control
/// characters; an attribute's name holds none of the latter.
std::vector<std::string> quoted_texts(std::string_view text) {
  std::vector<std::string> found;
  std::string current;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside && c == '\\' && i + 1 < text.size()) {
      current += text[++i];
    } else if (c == '"') {
      if (inside) found.push_back(std::exchange(current, {}));
      inside = !inside;
    } else if (inside) {
      current += c;
    }
  }
  return found;
}

}  // namespace

ScriptClasses read_script_classes(std::string_view code) {
  constexpr std::string_view kClass = "class ";
  constexpr std::string_view kParameters = "  __parameters__ = ";
  constexpr std::string_view kBuffers = "  __buffers__ = ";
  ScriptClasses classes;
  ScriptClass* current = nullptr;
  while (!code.empty()) {
    const std::size_t end = code.find('\n');
    const std::string_view line = code.substr(0, end);
    code = end == std::string_view::npos ? std::string_view() : code.substr(end + 1);
    if (line.starts_with(kClass)) {
      const std::size_t name_end = line.find_first_of("(:");
      if (name_end == std::string_view::npos) continue;
      const std::string name(line.substr(kClass.size(), name_end - kClass.size()));
      current = &classes[name];
      current->is_module = line.substr(name_end).starts_with("(Module)");
    } else if (line.starts_with("  def ") || (!line.empty() && line[0] != ' ')) {
      current = nullptr;
    } else if (current && line.starts_with(kParameters)) {
      current->parameters = quoted_texts(line.substr(kParameters.size()));
    } else if (current && line.starts_with(kBuffers)) {
      current->buffers = quoted_texts(line.substr(kBuffers.size()));
    }
  }
  return classes;
}

std::string python_class_name(std::string_view qualified) {
  std::string name;
  bool first = true;
  while (!qualified.empty()) {
    const std::size_t dot = qualified.find('.');
    const std::string_view atom = qualified.substr(0, dot);
    qualified = dot == std::string_view::npos ? std::string_view() : qualified.substr(dot + 1);
    const bool dropped = (first && atom == "__torch__") || atom.starts_with("___torch_mangle_");
    first = false;
    if (dropped) continue;
    if (!name.empty()) name += '.';
    name += atom;
  }
  return name;
}

}  // namespace torchvet
