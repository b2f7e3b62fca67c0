#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace torchvet {

/// The dataclasses of torch/_export/serde/schema.py, 8.20, and what may stand in their fields.
namespace exported {

enum class Class : std::uint8_t {
  kUnread,  ///< torch does nothing with it, if it is an object then one of scalars
  kNumber,  ///< or a text that stands for none: "Infinity", "-Infinity", "NaN"
  kText, kWhole, kFlag, kDType, kLayout,
  kSymExprHint, kSymExpr, kSymInt, kSymFloat, kSymBool, kDevice, kTensorMeta,
  kSymIntArgument, kSymFloatArgument, kSymBoolArgument, kNamed, kOptionalTensor, kGraphArgument,
  kCustomObject, kComplex, kArgument, kNamedArgument, kNode, kGraph,
  kUserInput, kConstantValue, kConstantInput, kParameterInput, kBufferInput, kConstantTensorInput,
  kCustomObjectInput, kTokenSpec, kInputSpec, kUserOutput, kLossOutput, kBufferOutput,
  kParameterOutput, kUserInputOutput, kOutputSpec, kSignature,
  kRange, kCallSignature, kCallEntry, kNamedTuple, kGraphModule, kVersion, kProgram,
  kPayload, kPayloads,
};
using enum Class;

enum class Shape : std::uint8_t { kOne, kList, kLists, kDict };
using enum Shape;

enum class Need : std::uint8_t {
  kRequired,
  kNullable,  ///< required, and may be null
  kOptional,  ///< may be missing
  kNullableOrNone,  ///< may be null, or missing
};
using enum Need;

struct Field {
  std::string_view name;
  Class of = kText;
  Shape shape = kOne;
  Need need = kRequired;
};

struct Row {
  Class is;
  std::string_view name;  ///< torch's
  bool is_union;
  std::span<const Field> fields;
};

/// The fields of a class; none for what is no class.
[[nodiscard]] const Row& row_of(Class is);

}  // namespace exported
}  // namespace torchvet
