#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.h"
#include "model/storage.h"

namespace torchvet {

/// What a rule may ask about the numbers of a tensor, as bits of `Quantities`. Rules declare what
/// they need; nothing else is computed, and a tensor that no rule asks about is never read.
enum Quantity : std::uint32_t {
  kDigest = 1u << 0,       ///< equality digest of the logical values
  kMoments = 1u << 1,      ///< counts, extremes, whether all elements are equal
  kFingerprint = 1u << 2,  ///< does it still hold what torch's generator drew
  kRows = 1u << 3,         ///< dead and repeated rows
};
using Quantities = std::uint32_t;

/// Marks that torch's CPU generator leaves in untouched values.
enum class InitFingerprint : std::uint8_t {
  kNone,
  kUniform,  ///< every small value lies on the 2^-24 grid of uniform_(-bound, bound)
  kNormal,   ///< angles of the pairs of normal_ lie on the 2^-24 grid
};

struct FingerprintEvidence {
  InitFingerprint kind = InitFingerprint::kNone;
  double bound = 0;           ///< for kUniform: the bound that fits
  std::uint64_t matched = 0;  ///< elements (or pairs) on the grid
  std::uint64_t tested = 0;   ///< elements (or pairs) looked at
};

/// What was computed of one tensor. A field without a value was not asked for or cannot be told.
struct ValueFacts {
  Quantities computed = 0;
  std::uint64_t count = 0;  ///< logical elements
  std::optional<Digest> digest;

  // kMoments, for real numeric types
  std::uint64_t nan = 0, positive_infinity = 0, negative_infinity = 0, zero = 0;
  double min = 0, max = 0;       ///< of the finite elements
  bool all_equal = false;        ///< count > 0 and every element is the same number
  double first = 0;              ///< the first element

  std::optional<FingerprintEvidence> fingerprint;

  // kRows, for real numeric types and at least two dimensions. Rows are equal when all their bits
  // are; rows of zeros count as equal whatever the signs.
  std::uint64_t rows = 0;       ///< shape[0]; 0 when there is no element
  std::uint64_t zero_rows = 0;  ///< rows in which every element is zero
  std::optional<std::uint64_t> distinct_rows;  ///< nothing above 2^20 rows
  bool all_rows_equal = false;  ///< every row equals the first one
};

/// True when the numbers were counted and every one of them is zero.
[[nodiscard]] inline bool all_zero(const std::optional<ValueFacts>& values) {
  return values && (values->computed & kMoments) != 0 && values->count > 0 &&
         values->zero == values->count;
}

/// Which tensors to read, and what for. Made by the engine from the rules that are enabled.
struct ValuePlan {
  struct Item {
    TensorId tensor = 0;
    Quantities quantities = 0;
  };
  std::vector<Item> items;
};

}  // namespace torchvet
