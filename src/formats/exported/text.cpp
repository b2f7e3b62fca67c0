// The small languages inside a torch.export program: module stacks, tracebacks, numbers of element
// types, devices and sizes.
#include <algorithm>
#include <array>
#include <charconv>

#include "formats/exported/graph.h"

namespace torchvet {
namespace {

std::string_view next_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

/// `File "net.py", line 23, in forward`.
std::optional<SourceLine> frame_of(std::string_view line) {
  constexpr std::string_view kBegin = "File \"", kLine = "\", line ", kIn = ", in ";
  if (!line.starts_with(kBegin)) return std::nullopt;
  const std::size_t end = line.rfind(kLine);
  if (end == std::string_view::npos || end < kBegin.size()) return std::nullopt;
  SourceLine frame;
  frame.file = std::string(line.substr(kBegin.size(), end - kBegin.size()));
  std::string_view rest = line.substr(end + kLine.size());
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), frame.line);
  if (error != std::errc()) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  if (rest.starts_with(kIn)) frame.function = std::string(rest.substr(kIn.size()));
  return frame;
}

}  // namespace

std::vector<ExportedModule> exported_module_stack(std::string_view text) {
  std::vector<ExportedModule> stack;
  while (!text.empty()) {
    std::string_view entry = next_part(text, ';');
    next_part(entry, ',');  // a key, which torch makes up
    ExportedModule module;
    module.path = next_part(entry, ',');
    module.path = module.path.substr(0, module.path.find('@'));  // `drop@1`: its second call
    module.class_name = entry;
    stack.push_back(module);
  }
  return stack;
}

std::vector<SourceLine> exported_frames(std::string_view text) {
  std::vector<SourceLine> frames;
  while (!text.empty()) {
    std::string_view line = next_part(text, '\n');
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (std::optional<SourceLine> frame = frame_of(line)) {
      frames.push_back(std::move(*frame));
    } else if (!frames.empty() && frames.back().text.empty()) {
      frames.back().text = std::string(line);
    }
  }
  // `<eval_with_key>.3` is code that torch generated: nobody has that file.
  std::erase_if(frames, [](const SourceLine& frame) { return frame.file.starts_with('<'); });
  std::reverse(frames.begin(), frames.end());
  return frames;
}

std::string exported_first_operator(std::string_view text) {
  constexpr std::string_view kTarget = "\"target\": \"";
  const std::size_t at = text.rfind(kTarget);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + kTarget.size());
  text = text.substr(0, text.find('"'));
  const std::size_t first = text.find('.'), last = text.rfind('.');
  if (first == std::string_view::npos || first == last) return {};  // "linear_1": no operator
  const std::string_view name = text.substr(first + 1, last - first - 1);
  if (name.empty() || name.find('.') != std::string_view::npos) return {};
  return std::string(text.substr(0, first)) + "::" + std::string(name);
}

std::string_view exported_dtype(std::int64_t number) {
  static constexpr std::array<std::string_view, 36> kNames = {"unknown",
                                                              "uint8",
                                                              "int8",
                                                              "int16",
                                                              "int32",
                                                              "int64",
                                                              "float16",
                                                              "float32",
                                                              "float64",
                                                              "complex32",
                                                              "complex64",
                                                              "complex128",
                                                              "bool",
                                                              "bfloat16",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "",
                                                              "uint16",
                                                              "float8_e4m3fn",
                                                              "float8_e5m2",
                                                              "float8_e4m3fnuz",
                                                              "float8_e5m2fnuz",
                                                              "float8_e8m0fnu",
                                                              "uint32",
                                                              "uint64"};
  if (number < 0 || number >= static_cast<std::int64_t>(kNames.size())) return "unknown";
  const std::string_view name = kNames[static_cast<std::size_t>(number)];
  return name.empty() ? "unknown" : name;
}

std::string exported_device(std::optional<Json> device) {
  const auto type = json_text(json_field(device, "type"));
  if (!type) return {};
  std::string name(*type);
  if (const auto index = json_integer(json_field(device, "index"))) {
    name += ":" + std::to_string(*index);
  }
  return name;
}

std::optional<std::vector<std::int64_t>> exported_sizes(std::optional<Json> tensor_meta,
                                                        std::string_view key, std::size_t most) {
  const auto array = json_array(json_field(tensor_meta, key));
  if (!array || array->size() > most) return std::nullopt;
  std::vector<std::int64_t> sizes;
  for (const Json size : *array) {
    sizes.push_back(json_integer(json_field(size, "as_int")).value_or(-1));
  }
  return sizes;
}

}  // namespace torchvet
