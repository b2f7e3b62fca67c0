#include "formats/model_config.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "json/document.h"

namespace torchvet {
namespace {

constexpr const char* kConfig = "config.json";
constexpr std::array<std::string_view, 6> kKeys = {
    "architectures", "model_type",          "dtype",
    "torch_dtype",   "tie_word_embeddings", "transformers_version"};

bool is_weights(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "model.safetensors" || name == "pytorch_model.bin" ||
         name == "model.safetensors.index.json" || name == "pytorch_model.bin.index.json";
}

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

}  // namespace

void add_model_config(Source& source, const Limits& limits, Artifact& artifact) {
  constexpr std::uint64_t kMost = 1 << 20;
  if (!is_weights(source.path())) return;
  const Result<std::shared_ptr<Source>> file = source.sibling(kConfig);
  if (!file || (*file)->bytes().size() > kMost) return;
  const Result<JsonDocument> document = JsonDocument::parse((*file)->bytes(), limits);
  if (!document) return;
  for (const std::string_view key : kKeys) {
    const std::optional<Json> value = json_field(document->root(), key);
    if (!value) continue;
    std::string text = text_of(*value);
    if (!text.empty()) {
      artifact.metadata.emplace_back("config.json: " + std::string(key), std::move(text));
    }
  }
}

}  // namespace torchvet
