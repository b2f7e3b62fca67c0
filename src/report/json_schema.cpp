#include <nlohmann/json.hpp>

#include "report/json_shape.h"

namespace torchvet {
namespace {

using Schema = nlohmann::ordered_json;

std::string_view pattern_of(TextKind kind) {
  switch (kind) {
    case TextKind::kAny:
      return "";
    case TextKind::kCode:
      return "^[A-Z]{3}[0-9]{3}$";
    case TextKind::kName:
      return "^[a-z0-9-]+$";
    case TextKind::kWord:
      return "^[A-Za-z0-9 ._+-]*$";
    case TextKind::kFingerprint:
      return "^[0-9a-f]{32}(:[0-9]+)?$";
    case TextKind::kSha256:
      return "^[0-9a-f]{64}$";
  }
  return "";
}

std::string_view type_name(ShapeType type) {
  switch (type) {
    case ShapeType::kText:
      return "string";
    case ShapeType::kWhole:
      return "integer";
    case ShapeType::kNumber:
      return "number";
    case ShapeType::kBool:
      return "boolean";
    case ShapeType::kObject:
      return "object";
    case ShapeType::kList:
      return "array";
  }
  return "string";
}

/// As deep as the table of shapes.
Schema schema_of(const Shape& shape) {
  Schema out = Schema::object();
  if (shape.nullable) {
    out["type"] = Schema::array({type_name(shape.type), "null"});
  } else {
    out["type"] = type_name(shape.type);
  }
  if (!shape.choices.empty()) out["enum"] = shape.choices;
  if (!shape.numbers.empty()) out["enum"] = shape.numbers;
  if (const std::string_view pattern = pattern_of(shape.kind); !pattern.empty()) {
    out["pattern"] = pattern;
  }
  if (shape.type == ShapeType::kWhole) out["minimum"] = 0;
  if (!shape.item.empty()) out["items"] = schema_of(shape.item.front());
  if (shape.type != ShapeType::kObject) return out;
  out["required"] = Schema::array();
  for (const ShapeField& field : shape.fields) {
    Schema& property = out["properties"][std::string(field.name)];
    property = schema_of(field.shape);
    if (!field.help.empty()) property["description"] = field.help;
    if (field.required) out["required"].push_back(field.name);
  }
  return out;
}

}  // namespace

std::string report_schema() {
  Schema out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                {"title", "The JSON report of torchvet"}};
  out.update(schema_of(report_shape()));
  return out.dump(2) + "\n";
}

}  // namespace torchvet
