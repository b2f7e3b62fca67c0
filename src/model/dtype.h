#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace torchvet {

/// Element types of torch 2.13, by the names of `torch.<name>`.
enum class DType : std::uint8_t {
  kUnknown,
  kUint8, kInt8, kInt16, kInt32, kInt64, kUint16, kUint32, kUint64,
  kFloat16, kBFloat16, kFloat32, kFloat64,
  kComplex32, kComplex64, kComplex128,
  kBool,
  kQint8, kQuint8, kQint32, kQuint4x2, kQuint2x4,
  kFloat8E4m3fn, kFloat8E5m2, kFloat8E4m3fnuz, kFloat8E5m2fnuz, kFloat8E8m0fnu,
  kFloat4E2m1fnX2,
  kBits8, kBits16, kBits1x8, kBits2x4, kBits4x2,
};

/// "float32", "quint4x2", ...; "unknown".
[[nodiscard]] std::string_view name_of(DType dtype);
/// From "float32" (no "torch." before it).
[[nodiscard]] std::optional<DType> dtype_from_name(std::string_view name);
/// From a legacy storage or tensor class: "FloatStorage", "HalfTensor"; not "UntypedStorage".
[[nodiscard]] std::optional<DType> dtype_from_storage_class(std::string_view class_name);
/// From an ATen ScalarType number, as TorchScript code and graphs write it (6 is float32).
[[nodiscard]] std::optional<DType> dtype_from_scalar_type(std::int64_t number);
/// Bytes of one element as torch counts them; 0 for kUnknown. Packed types (quint4x2, float4) count
/// the byte that holds several values as one element.
[[nodiscard]] std::uint64_t item_size(DType dtype);
/// Real floating point of any width (no complex, no quantized type).
[[nodiscard]] bool is_floating_point(DType dtype);

}  // namespace torchvet
