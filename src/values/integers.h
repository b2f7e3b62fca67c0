#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "values/numbers.h"

namespace torchvet {

/// Integers of 16 to 64 bits. The sum is exact, and so is that of the squares up to 32 bits;
/// squares of 64-bit integers are added in long double.
template <typename T>
void count_integers(const std::uint8_t* bytes, std::uint64_t size, bool sums, Numbers& numbers) {
  const std::uint64_t count = size / sizeof(T);
  if (count == 0) return;
  Numbers here;
  T least, most;
  std::memcpy(&least, bytes, sizeof(T));
  most = least;
  for (std::uint64_t i = 0; i < count; ++i) {
    T number;
    std::memcpy(&number, bytes + i * sizeof(T), sizeof(T));
    least = std::min(least, number);
    most = std::max(most, number);
    here.zero += number == 0 ? 1 : 0;
    if (!sums) continue;
    here.whole_sum += number;
    if constexpr (sizeof(T) <= 4) {
      const std::int64_t wide = number;  // a square of 32 bits fits 64 without a sign
      here.whole_squares += static_cast<std::uint64_t>(wide) * static_cast<std::uint64_t>(wide);
    } else {
      here.squares += static_cast<long double>(number) * static_cast<long double>(number);
    }
  }
  here.count = count;
  here.whole = true;
  here.whole_min = least;
  here.whole_max = most;
  here.min = static_cast<double>(least);
  here.max = static_cast<double>(most);
  numbers.merge(here);
}

template <typename T>
void count_integer_magnitudes(const std::uint8_t* bytes, std::uint64_t size,
                              HistogramCounts& histogram) {
  for (std::uint64_t at = 0; at < size; at += sizeof(T)) {
    T number;
    std::memcpy(&number, bytes + at, sizeof(T));
    histogram.add(static_cast<double>(number), 1);
  }
}

}  // namespace torchvet
