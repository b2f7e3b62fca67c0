#include "formats/model_config.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "json/document.h"

namespace torchvet {
namespace {

/// The file that describes a file of weights, and what of it is worth saying.
struct Description {
  std::string_view weights, file;
  std::span<const std::string_view> keys;
};

constexpr std::array<std::string_view, 6> kOfModel = {
    "architectures", "model_type",          "dtype",
    "torch_dtype",   "tie_word_embeddings", "transformers_version"};
constexpr std::array<std::string_view, 5> kOfAdapter = {
    "peft_type", "task_type", "base_model_name_or_path", "r", "target_modules"};
constexpr std::string_view kSafetensors = "model.safetensors",
                           kSafetensorsIndex = "model.safetensors.index.json",
                           kPickled = "pytorch_model.bin",
                           kPickledIndex = "pytorch_model.bin.index.json";
constexpr Description kDescriptions[] = {
    {kSafetensors, "config.json", kOfModel},
    {kSafetensorsIndex, "config.json", kOfModel},
    {kPickled, "config.json", kOfModel},
    {kPickledIndex, "config.json", kOfModel},
    {"adapter_model.safetensors", "adapter_config.json", kOfAdapter},
    {"adapter_model.bin", "adapter_config.json", kOfAdapter},
};

/// A text, a number, a switch, or a list of texts.
std::string text_of(Json value) {
  if (const auto text = json_text(value)) return std::string(*text);
  if (const auto on = json_bool(value)) return *on ? "true" : "false";
  if (const auto number = json_integer(value)) return std::to_string(*number);
  std::string all;
  if (const auto list = json_array(value)) {
    for (const Json item : *list) {
      if (const auto text = json_text(item)) all += (all.empty() ? "" : ", ") + std::string(*text);
    }
  }
  return all;
}

/// Classes that are not those of the library, but of Python files beside the weights or elsewhere:
/// `{"AutoModel": "modeling_shop.ShopModel"}`.
void add_foreign_code(Json config, const std::string& file, Artifact& artifact) {
  const auto classes = json_object(json_field(config, "auto_map"));
  if (!classes) return;
  for (const auto field : *classes) {
    const std::string name = text_of(field.value);
    if (name.empty()) continue;
    artifact.metadata.emplace_back(file + ": auto_map." + std::string(field.key),
                                   name + ", which trust_remote_code=True imports and runs");
  }
}

/// transformers takes safetensors when a folder has both. Measured with 5.24.
void add_shadowing(std::string_view weights, const Source& source, Artifact& artifact) {
  if (weights != kPickled && weights != kPickledIndex) return;
  for (const std::string& name : source.sibling_names()) {
    if (name != kSafetensors && name != kSafetensorsIndex) continue;
    artifact.metadata.emplace_back("transformers",
                                   "reads " + name + " beside it, and not this file");
    return;
  }
}

}  // namespace

void add_model_config(Source& source, const Limits& limits, Artifact& artifact) {
  constexpr std::uint64_t kMost = 1 << 20;
  const std::string_view path = source.path();
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto* description = std::find_if(
      std::begin(kDescriptions), std::end(kDescriptions),
      [&](const Description& one) { return one.weights == name; });
  if (description == std::end(kDescriptions)) return;
  add_shadowing(name, source, artifact);
  const std::string file_name(description->file);
  const Result<std::shared_ptr<Source>> file = source.sibling(file_name);
  if (!file || (*file)->bytes().size() > kMost) return;
  const Result<JsonDocument> document = JsonDocument::parse((*file)->bytes(), limits);
  if (!document) return;
  for (const std::string_view key : description->keys) {
    const std::optional<Json> value = json_field(document->root(), key);
    if (!value) continue;
    std::string text = text_of(*value);
    if (!text.empty()) {
      artifact.metadata.emplace_back(file_name + ": " + std::string(key), std::move(text));
    }
  }
  add_foreign_code(document->root(), file_name, artifact);
}

}  // namespace torchvet
