#include "json/document.h"

#include <algorithm>
#include <new>
#include <vector>

namespace torchvet {

Result<JsonDocument> JsonDocument::parse(ByteView bytes, const Limits& limits) {
  if (bytes.size() > limits.json_bytes) {
    return fail(ErrorCode::kLimitExceeded, bytes.offset(),
                "the JSON text has " + std::to_string(bytes.size()) + " bytes, more than " +
                    std::to_string(limits.json_bytes));
  }
  JsonDocument document;
  document.parser_ = std::make_unique<simdjson::dom::parser>();
  const auto parsed = document.parser_->parse(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::size_t>(bytes.size()));
  if (parsed.error() == simdjson::MEMALLOC) throw std::bad_alloc();  // which is no fault of the text
  if (parsed.error() != simdjson::SUCCESS) {
    return fail(ErrorCode::kJsonInvalid, bytes.offset(), simdjson::error_message(parsed.error()));
  }
  document.root_ = parsed.value_unsafe();
  return document;
}

Result<JsonDocument> JsonDocument::parse(std::string_view text, const Limits& limits) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  return parse(ByteView(bytes, text.size(), 0), limits);
}

std::optional<std::string> JsonDocument::duplicate_key() const {
  std::vector<Json> left = {root_};
  std::vector<std::string_view> keys;
  while (!left.empty()) {
    const Json value = left.back();
    left.pop_back();
    if (const auto array = json_array(value)) {
      for (const Json item : *array) left.push_back(item);
    } else if (const auto object = json_object(value)) {
      keys.clear();
      for (const auto field : *object) {
        keys.push_back(field.key);
        left.push_back(field.value);
      }
      std::sort(keys.begin(), keys.end());
      const auto twice = std::adjacent_find(keys.begin(), keys.end());
      if (twice != keys.end()) return std::string(*twice);
    }
  }
  return std::nullopt;
}

std::optional<Json> json_field(Json object, std::string_view key) {
  simdjson::dom::object fields;
  if (object.get(fields) != simdjson::SUCCESS) return std::nullopt;
  Json value;
  if (fields.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<Json> json_field(std::optional<Json> object, std::string_view key) {
  return object ? json_field(*object, key) : std::nullopt;
}

std::optional<simdjson::dom::array> json_array(std::optional<Json> value) {
  simdjson::dom::array array;
  if (!value || value->get(array) != simdjson::SUCCESS) return std::nullopt;
  return array;
}

std::optional<simdjson::dom::object> json_object(std::optional<Json> value) {
  simdjson::dom::object object;
  if (!value || value->get(object) != simdjson::SUCCESS) return std::nullopt;
  return object;
}

std::optional<std::string_view> json_text(std::optional<Json> value) {
  std::string_view text;
  if (!value || value->get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::optional<std::int64_t> json_integer(std::optional<Json> value) {
  std::int64_t integer = 0;
  if (!value || value->get(integer) != simdjson::SUCCESS) return std::nullopt;
  return integer;
}

std::optional<std::uint64_t> json_unsigned(std::optional<Json> value) {
  std::uint64_t number = 0;
  if (!value || value->get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

std::optional<double> json_number(std::optional<Json> value) {
  double number = 0;
  if (!value || value->get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

std::optional<bool> json_bool(std::optional<Json> value) {
  bool flag = false;
  if (!value || value->get(flag) != simdjson::SUCCESS) return std::nullopt;
  return flag;
}

std::optional<JsonUnion> json_union(std::optional<Json> value) {
  const auto object = json_object(value);
  if (!object) return std::nullopt;
  if (object->size() == 1) {
    const auto field = *object->begin();
    return JsonUnion{field.key, field.value};
  }
  std::optional<JsonUnion> only;
  for (const auto field : *object) {
    if (field.value.is_null()) continue;
    if (only) return std::nullopt;
    only = JsonUnion{field.key, field.value};
  }
  return only;
}

}  // namespace torchvet
