#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/tensor.h"

namespace torchvet {

/// What a difference means for `model.load_state_dict(state)` of torch, which is strict unless told
/// otherwise and copies the numbers into the tensors that the model has.
enum class Compatibility : std::uint8_t {
  kCompatible,  ///< it succeeds, and every number arrives as it is stored
  kUnknown,     ///< it succeeds, or may: numbers are converted, or it depends on the model's code
  kBreaking,    ///< it raises
};
/// "compatible", "unknown", "breaking".
[[nodiscard]] std::string_view name_of(Compatibility compatibility);

/// Copying a tensor of type `from` into one of type `into`. Numbers of all ordinary types are
/// converted to each other; quantized tensors take only their own type, or are quantized from
/// float32; the bits types and float4 take only their own. Source: `Tensor.copy_` of torch 2.13.
[[nodiscard]] Compatibility fit_of_types(DType into, DType from);

/// True when the conversion takes away more than precision: what comes after the decimal point, or
/// the imaginary part.
[[nodiscard]] bool cuts_numbers(DType into, DType from);

/// A dimension that is not given may have any size.
using ShapePattern = std::vector<std::optional<std::int64_t>>;
[[nodiscard]] bool matches(const ShapePattern& pattern, const std::vector<std::int64_t>& shape);

/// A tensor of one number in one dimension, as torch 0.3 saved scalars, is loaded into a scalar;
/// all other shapes must be equal.
[[nodiscard]] Compatibility fit_of_shapes(const ShapePattern& into,
                                          const std::vector<std::int64_t>& from);

/// `same_form`: the two are sparse in the same way. Numbers are copied between strided tensors and
/// between sparse tensors of one kind, never out of a tensor without numbers (meta).
[[nodiscard]] Compatibility fit_of_layouts(Layout into, Layout from, bool same_form);

}  // namespace torchvet
