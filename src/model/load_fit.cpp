#include "model/load_fit.h"

#include <algorithm>

namespace torchvet {
namespace {

/// Types whose numbers torch converts to each other's, those it does not, and quantized ones.
enum class Family : std::uint8_t { kUnknown, kOrdinary, kQuantized, kOpaque };

Family family_of(DType dtype) {
  switch (dtype) {
    case DType::kUnknown:
      return Family::kUnknown;
    case DType::kQint8:
    case DType::kQuint8:
    case DType::kQint32:
    case DType::kQuint4x2:
    case DType::kQuint2x4:
      return Family::kQuantized;
    case DType::kFloat4E2m1fnX2:
    case DType::kBits8:
    case DType::kBits16:
    case DType::kBits1x8:
    case DType::kBits2x4:
    case DType::kBits4x2:
      return Family::kOpaque;
    default:
      return Family::kOrdinary;
  }
}

bool is_complex(DType dtype) {
  return dtype == DType::kComplex32 || dtype == DType::kComplex64 || dtype == DType::kComplex128;
}

}  // namespace

std::string_view name_of(Compatibility compatibility) {
  switch (compatibility) {
    case Compatibility::kCompatible:
      return "compatible";
    case Compatibility::kUnknown:
      return "unknown";
    case Compatibility::kBreaking:
      return "breaking";
  }
  return "unknown";
}

Compatibility fit_of_types(DType into, DType from) {
  const Family wanted = family_of(into), given = family_of(from);
  if (wanted == Family::kUnknown || given == Family::kUnknown) return Compatibility::kUnknown;
  if (into == from) return Compatibility::kCompatible;
  const bool ordinary = wanted == Family::kOrdinary && given == Family::kOrdinary;
  const bool quantizes = wanted == Family::kQuantized && from == DType::kFloat32;
  return ordinary || quantizes ? Compatibility::kUnknown : Compatibility::kBreaking;
}

bool cuts_numbers(DType into, DType from) {
  if (is_complex(from)) return !is_complex(into);
  return is_floating_point(from) && !is_floating_point(into) && !is_complex(into);
}

bool matches(const ShapePattern& pattern, const std::vector<std::int64_t>& shape) {
  return std::equal(pattern.begin(), pattern.end(), shape.begin(), shape.end(),
                    [](const std::optional<std::int64_t>& wanted, std::int64_t size) {
                      return !wanted || *wanted == size;
                    });
}

Compatibility fit_of_shapes(const ShapePattern& into, const std::vector<std::int64_t>& from) {
  const bool old_scalar = into.empty() && from.size() == 1 && from.front() == 1;
  return old_scalar || matches(into, from) ? Compatibility::kCompatible : Compatibility::kBreaking;
}

Compatibility fit_of_layouts(Layout into, Layout from, bool same_form) {
  if (into == Layout::kNested || from == Layout::kNested) return Compatibility::kBreaking;
  if (into == Layout::kWrapper || from == Layout::kWrapper) return Compatibility::kUnknown;
  if (into == Layout::kMeta) return Compatibility::kUnknown;
  if (from == Layout::kMeta || into != from) return Compatibility::kBreaking;
  return into == Layout::kStrided || same_form ? Compatibility::kCompatible
                                               : Compatibility::kUnknown;
}

}  // namespace torchvet
