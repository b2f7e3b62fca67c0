#pragma once

#include <cstdint>

#include "model/dtype.h"
#include "model/pair_facts.h"

namespace torchvet {

/// Types that `look_at_pairs` knows: floating point of 64, 32 and 16 bits.
[[nodiscard]] bool has_pair_sums(DType dtype);

/// Pairs that are looked at together.
inline constexpr std::uint64_t kPairBlock = 2048;

struct PairBlock {
  PairFacts sums;                ///< pairs of which one is not finite are left out
  std::uint64_t not_finite = 0;  ///< NaN and infinities in `after`
};

/// Looks at `size` bytes of whole elements of two tensors, little-endian: `kPairBlock` pairs at
/// most.
[[nodiscard]] PairBlock look_at_pairs(DType dtype, const std::uint8_t* before,
                                      const std::uint8_t* after, std::uint64_t size);

}  // namespace torchvet
