#pragma once

#include <cstdint>
#include <span>

#include "values/numbers.h"

namespace torchvet {

/// What one byte code stands for.
struct CodeMeaning {
  float value = 0;
  bool subnormal = false;
};

/// The numbers that the bytes of a type hold, in the order of the bits: 256 groups of one number,
/// or of 2, 4 or 8 for types that pack several into a byte. Empty for types that are no numbers or
/// are wider than a byte.
[[nodiscard]] std::span<const CodeMeaning> codes_of(DType dtype);

/// Counts bytes, then what they mean.
void count_byte_codes(std::span<const CodeMeaning> codes, const std::uint8_t* bytes,
                      std::uint64_t size, Numbers& numbers);
void count_byte_magnitudes(std::span<const CodeMeaning> codes, const std::uint8_t* bytes,
                           std::uint64_t size, HistogramCounts& histogram);

}  // namespace torchvet
