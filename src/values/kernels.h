#pragma once

#include <cstdint>

#include "values/numbers.h"

namespace torchvet {

enum class FloatKind : std::uint8_t { kFloat32, kFloat16, kBFloat16 };

/// Numbers of 16 or 32 bits, as float32, which holds each of them exactly.
void count_floats(FloatKind kind, const std::uint8_t* bytes, std::uint64_t size, bool sums,
                  Numbers& numbers);
void count_float_magnitudes(FloatKind kind, const std::uint8_t* bytes, std::uint64_t size,
                            HistogramCounts& histogram);

/// float64.
void count_doubles(const std::uint8_t* bytes, std::uint64_t size, bool sums, Numbers& numbers);
void count_double_magnitudes(const std::uint8_t* bytes, std::uint64_t size,
                             HistogramCounts& histogram);

}  // namespace torchvet
