#pragma once

#include <cstdint>
#include <memory>

#include "model/dtype.h"
#include "model/value_facts.h"

namespace torchvet {

/// Counts and extremes of the values of one tensor, block by block.
class Moments {
 public:
  virtual ~Moments() = default;
  /// Bytes of whole elements, little-endian, in logical order.
  virtual void update(const std::uint8_t* bytes, std::uint64_t size) = 0;
  /// Fills the fields of kMoments.
  virtual void finish(ValueFacts& facts) const = 0;
};

/// The accumulator for an element type; nothing for a type whose elements are not single real
/// numbers (complex, quantized, packed, raw bits).
[[nodiscard]] std::unique_ptr<Moments> make_moments(DType dtype);

}  // namespace torchvet
