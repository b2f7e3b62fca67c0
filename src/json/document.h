#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/limits.h"

namespace torchvet {

/// A value of a document; valid as long as the document is.
using Json = simdjson::dom::element;

/// A JSON text from a file, parsed in one go. The parser bounds nesting (1,024 levels) and refuses
/// bytes that are no UTF-8 and numbers that fit into no 64 bits; the size is bounded here.
class JsonDocument {
 public:
  /// Errors: kJsonInvalid, kLimitExceeded.
  [[nodiscard]] static Result<JsonDocument> parse(ByteView bytes, const Limits& limits);

  /// The same of a text from inside a file, such as a string of another document. Offsets begin there.
  [[nodiscard]] static Result<JsonDocument> parse(std::string_view text, const Limits& limits);

  [[nodiscard]] Json root() const { return root_; }

  /// A key that some object has twice: of the two, readers take the first or the last as they like.
  [[nodiscard]] std::optional<std::string> duplicate_key() const;

 private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  Json root_;
};

/// Look-ups that never fail loudly: nothing when the value is of another type or the key is
/// missing.
[[nodiscard]] std::optional<Json> json_field(Json object, std::string_view key);
[[nodiscard]] std::optional<Json> json_field(std::optional<Json> object, std::string_view key);
[[nodiscard]] std::optional<simdjson::dom::array> json_array(std::optional<Json> value);
[[nodiscard]] std::optional<simdjson::dom::object> json_object(std::optional<Json> value);
[[nodiscard]] std::optional<std::string_view> json_text(std::optional<Json> value);
[[nodiscard]] std::optional<std::int64_t> json_integer(std::optional<Json> value);
[[nodiscard]] std::optional<std::uint64_t> json_unsigned(std::optional<Json> value);
[[nodiscard]] std::optional<double> json_number(std::optional<Json> value);
[[nodiscard]] std::optional<bool> json_bool(std::optional<Json> value);

/// The one key and value of an object that stands for a tagged union: {"as_int": 3}. An object with
/// several keys, as torch wrote before 2.3, counts when all values but one are null.
struct JsonUnion {
  std::string_view tag;
  Json value;
};
[[nodiscard]] std::optional<JsonUnion> json_union(std::optional<Json> value);

}  // namespace torchvet
