#include "model/dtype.h"

#include <array>

namespace torchvet {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  std::string_view storage;  ///< stem of the typed storage class; empty where torch has none
  int scalar_type;           ///< c10::ScalarType
  std::uint8_t item_size;
};

// Sources: c10/core/ScalarType.h for the numbers, torch/storage.py for the storage classes.
constexpr std::array kRows = {
    Row{DType::kUint8, "uint8", "Byte", 0, 1},
    Row{DType::kInt8, "int8", "Char", 1, 1},
    Row{DType::kInt16, "int16", "Short", 2, 2},
    Row{DType::kInt32, "int32", "Int", 3, 4},
    Row{DType::kInt64, "int64", "Long", 4, 8},
    Row{DType::kUint16, "uint16", "", 27, 2},
    Row{DType::kUint32, "uint32", "", 28, 4},
    Row{DType::kUint64, "uint64", "", 29, 8},
    Row{DType::kFloat16, "float16", "Half", 5, 2},
    Row{DType::kBFloat16, "bfloat16", "BFloat16", 15, 2},
    Row{DType::kFloat32, "float32", "Float", 6, 4},
    Row{DType::kFloat64, "float64", "Double", 7, 8},
    Row{DType::kComplex32, "complex32", "", 8, 4},
    Row{DType::kComplex64, "complex64", "ComplexFloat", 9, 8},
    Row{DType::kComplex128, "complex128", "ComplexDouble", 10, 16},
    Row{DType::kBool, "bool", "Bool", 11, 1},
    Row{DType::kQint8, "qint8", "QInt8", 12, 1},
    Row{DType::kQuint8, "quint8", "QUInt8", 13, 1},
    Row{DType::kQint32, "qint32", "QInt32", 14, 4},
    Row{DType::kQuint4x2, "quint4x2", "QUInt4x2", 16, 1},
    Row{DType::kQuint2x4, "quint2x4", "QUInt2x4", 17, 1},
    Row{DType::kFloat8E4m3fn, "float8_e4m3fn", "", 24, 1},
    Row{DType::kFloat8E5m2, "float8_e5m2", "", 23, 1},
    Row{DType::kFloat8E4m3fnuz, "float8_e4m3fnuz", "", 26, 1},
    Row{DType::kFloat8E5m2fnuz, "float8_e5m2fnuz", "", 25, 1},
    Row{DType::kFloat8E8m0fnu, "float8_e8m0fnu", "", 44, 1},
    Row{DType::kFloat4E2m1fnX2, "float4_e2m1fn_x2", "", 45, 1},
    Row{DType::kBits8, "bits8", "", 21, 1},
    Row{DType::kBits16, "bits16", "", 22, 2},
    Row{DType::kBits1x8, "bits1x8", "", 18, 1},
    Row{DType::kBits2x4, "bits2x4", "", 19, 1},
    Row{DType::kBits4x2, "bits4x2", "", 20, 1},
};

const Row* row_of(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view name_of(DType dtype) {
  const Row* row = row_of(dtype);
  return row ? row->name : "unknown";
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_storage_class(std::string_view class_name) {
  for (const std::string_view suffix : {"Storage", "Tensor"}) {
    if (!class_name.ends_with(suffix)) continue;
    const std::string_view stem = class_name.substr(0, class_name.size() - suffix.size());
    for (const Row& row : kRows) {
      if (!row.storage.empty() && row.storage == stem) return row.dtype;
    }
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_scalar_type(std::int64_t number) {
  for (const Row& row : kRows) {
    if (row.scalar_type == number) return row.dtype;
  }
  return std::nullopt;
}

std::uint64_t item_size(DType dtype) {
  const Row* row = row_of(dtype);
  return row ? row->item_size : 0;
}

bool is_floating_point(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kFloat8E4m3fn:
    case DType::kFloat8E5m2:
    case DType::kFloat8E4m3fnuz:
    case DType::kFloat8E5m2fnuz:
    case DType::kFloat8E8m0fnu:
    case DType::kFloat4E2m1fnX2:
      return true;
    default:
      return false;
  }
}

}  // namespace torchvet
