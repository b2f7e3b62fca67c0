#pragma once

#include <array>
#include <cstddef>

namespace torchvet {

/// Lanes of a sum: number i of a call goes into lane i mod 16, whatever the width of a vector, so that
/// the order of additions is the same on every processor.
inline constexpr std::size_t kLanes = 16;

/// The lanes together, in one order: pairs, pairs of pairs, ...
[[nodiscard]] inline double added(std::array<double, kLanes> lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

}  // namespace torchvet
