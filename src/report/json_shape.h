#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/document.h"

namespace torchvet {

/// The form of the JSON report, as a table: its JSON Schema is made from it, and what is read back
/// is held against it.

/// Texts that are more than any text; reports write them as they are.
enum class TextKind : std::uint8_t {
  kAny,
  kCode,         ///< "REG002"
  kName,         ///< "parameter-created-in-forward"
  kWord,         ///< "torch-zip", "2.9": letters, digits and a few marks, or nothing
  kFingerprint,  ///< 32 hexadecimal digits, perhaps with ":2"
  kSha256,       ///< 64 hexadecimal digits
};

enum class ShapeType : std::uint8_t { kText, kWhole, kNumber, kBool, kObject, kList };

struct ShapeField;

struct Shape {
  ShapeType type = ShapeType::kText;
  bool nullable = false;
  TextKind kind = TextKind::kAny;
  std::vector<std::string_view> choices;  ///< of a text; empty: any
  std::vector<std::uint64_t> numbers;     ///< of a whole number; empty: any
  std::vector<Shape> item;                ///< of a list: one
  std::vector<ShapeField> fields;         ///< of an object
};

struct ShapeField {
  std::string_view name;
  std::string_view help;
  Shape shape;
  bool required = true;
};

[[nodiscard]] const Shape& report_shape();

/// What in a value is not of the shape, each with its place: "findings[3].location.artifact: it
/// must be a text". At most 20. Fields that the shape does not name are passed over: a later minor
/// version may add some.
[[nodiscard]] std::vector<std::string> shape_faults(Json value, const Shape& shape);

/// The JSON Schema (2020-12) of the report, ended by a newline.
[[nodiscard]] std::string report_schema();

}  // namespace torchvet
