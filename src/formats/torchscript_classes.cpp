#include "formats/torchscript_classes.h"

#include <algorithm>
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

/// `  name : Type` and `  __annotations__["name"] = Type`.
void add_attribute(std::string_view line, ScriptClass& type) {
  constexpr std::string_view kAnnotation = "  __annotations__[", kColon = " : ", kEquals = "] = ";
  const bool annotated = line.starts_with(kAnnotation);
  const std::string_view between = annotated ? kEquals : kColon;
  const std::size_t at = line.find(between);
  if (!line.starts_with("  ") || line.starts_with("   ") || at == std::string_view::npos) return;
  const std::size_t begin = annotated ? kAnnotation.size() : 2;
  const std::string_view name = line.substr(begin, at - begin);
  const std::string_view written = line.substr(at + between.size());
  if (written.starts_with("Final[")) return;
  if (!annotated) return type.attributes.push_back({std::string(name), std::string(written)});
  const std::vector<std::string> names = quoted_texts(name);
  if (names.size() == 1) type.attributes.push_back({names.front(), std::string(written)});
}

}  // namespace

ScriptClasses read_script_classes(std::string_view code) {
  constexpr std::string_view kClass = "class ";
  constexpr std::string_view kParameters = "  __parameters__ = ";
  constexpr std::string_view kBuffers = "  __buffers__ = ";
  ScriptClasses classes;
  ScriptClass* current = nullptr;
  bool in_methods = false;
  while (!code.empty()) {
    const std::size_t end = code.find('\n');
    const std::string_view line = code.substr(0, end);
    code = end == std::string_view::npos ? std::string_view() : code.substr(end + 1);
    if (line.starts_with(kClass)) {
      const std::size_t name_end = line.find_first_of("(:");
      if (name_end == std::string_view::npos) continue;
      const std::string name(line.substr(kClass.size(), name_end - kClass.size()));
      current = &classes[name];
      in_methods = false;
      const std::string_view rest = line.substr(name_end);
      if (rest.starts_with('(')) current->base = rest.substr(1, rest.find(')') - 1);
      current->is_module = current->base == "Module";
    } else if (!line.empty() && line[0] != ' ') {
      current = nullptr;
    } else if (current && line.starts_with("  def ")) {
      in_methods = true;
      current->gets_state |= line.starts_with("  def __getstate__(");
      current->sets_state |= line.starts_with("  def __setstate__(");
    } else if (current && !in_methods && line.starts_with(kParameters)) {
      current->parameters = quoted_texts(line.substr(kParameters.size()));
    } else if (current && !in_methods && line.starts_with(kBuffers)) {
      current->buffers = quoted_texts(line.substr(kBuffers.size()));
    } else if (current && !in_methods) {
      add_attribute(line, *current);
    }
  }
  return classes;
}

void add_script_classes(std::string_view file, std::string_view code, ScriptClasses& classes) {
  std::string qualifier(file.substr(0, file.rfind(".py")));
  std::replace(qualifier.begin(), qualifier.end(), '/', '.');
  for (auto& [name, type] : read_script_classes(code)) {
    classes.insert_or_assign(qualifier + "." + name, std::move(type));
  }
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
