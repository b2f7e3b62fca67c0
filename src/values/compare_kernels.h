#pragma once

#include <cstdint>

#include "model/dtype.h"
#include "model/pair_facts.h"

namespace torchvet {

/// Types that `add_pairs` knows: floating point of 64, 32 and 16 bits.
[[nodiscard]] bool comparable(DType dtype);

/// Adds what `size` bytes of whole elements of two tensors are worth, little-endian, to `sums`.
/// Elements of which one is not finite are left out.
void add_pairs(DType dtype, const std::uint8_t* before, const std::uint8_t* after,
               std::uint64_t size, PairFacts& sums);

}  // namespace torchvet
