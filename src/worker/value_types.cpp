#include "worker/value_types.h"

#include <ATen/core/class_type.h>

namespace torchvet {

ValueType type_of(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      return ValueType::kTensor;
    case c10::TypeKind::NoneType:
      return ValueType::kNone;
    case c10::TypeKind::BoolType:
      return ValueType::kBool;
    case c10::TypeKind::IntType:
      return ValueType::kInt;
    case c10::TypeKind::FloatType:
      return ValueType::kFloat;
    case c10::TypeKind::StringType:
      return ValueType::kString;
    case c10::TypeKind::DeviceObjType:
      return ValueType::kDevice;
    case c10::TypeKind::ListType:
      return ValueType::kList;
    case c10::TypeKind::TupleType:
      return ValueType::kTuple;
    case c10::TypeKind::ClassType:
      return type.expectRef<c10::ClassType>().is_module() ? ValueType::kModule : ValueType::kObject;
    case c10::TypeKind::InterfaceType:
      return type.expectRef<c10::InterfaceType>().is_module() ? ValueType::kModule
                                                              : ValueType::kObject;
    default:
      return ValueType::kOther;
  }
}

std::optional<std::vector<std::int64_t>> shape_of(const c10::Type& type) {
  if (type.kind() != c10::TypeKind::TensorType) return std::nullopt;
  const c10::VaryingShape<std::int64_t> sizes = type.expectRef<c10::TensorType>().sizes();
  if (!sizes.size()) return std::nullopt;
  std::vector<std::int64_t> shape;
  for (std::size_t i = 0; i < *sizes.size(); ++i) shape.push_back(sizes[i].value_or(-1));
  return shape;
}

}  // namespace torchvet
