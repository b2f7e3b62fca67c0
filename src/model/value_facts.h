#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.h"
#include "model/storage.h"

namespace torchvet {

/// What a rule may ask about the numbers of a tensor, as bits of `Quantities`. Rules declare what
/// they need; nothing else is computed, and a tensor that no rule asks about is never read.
enum Quantity : std::uint32_t {
  kDigest = 1u << 0,       ///< equality digest of the logical values
  kMoments = 1u << 1,      ///< counts, extremes, whether all numbers are equal
  kFingerprint = 1u << 2,  ///< does it still hold what torch's generator drew
  kRows = 1u << 3,         ///< dead and repeated rows
  kSums = 1u << 4,         ///< sum and sum of squares, and what kMoments gives
  kHistogram = 1u << 5,    ///< how the magnitudes are spread, and what kMoments gives
  kIndices = 1u << 6,      ///< of sparse and nested tensors: where they say that elements are
};
using Quantities = std::uint32_t;

/// Marks that torch's CPU generator leaves in untouched values.
enum class InitFingerprint : std::uint8_t {
  kNone,
  kUniform,  ///< every small value lies on the 2^-24 grid of uniform_(-bound, bound)
  kNormal,   ///< angles of the pairs of normal_ lie on the 2^-24 grid
  kTruncatedNormal,  ///< shares below small values lie on the grid: trunc_normal_ before torch 2.13
};

/// "none", "uniform", "normal", "truncated-normal".
[[nodiscard]] constexpr std::string_view name_of(InitFingerprint kind) {
  switch (kind) {
    case InitFingerprint::kNone:
      break;
    case InitFingerprint::kUniform:
      return "uniform";
    case InitFingerprint::kNormal:
      return "normal";
    case InitFingerprint::kTruncatedNormal:
      return "truncated-normal";
  }
  return "none";
}

struct FingerprintEvidence {
  InitFingerprint kind = InitFingerprint::kNone;
  double bound = 0;           ///< the bound that fits; for kTruncatedNormal the standard deviation
  std::uint64_t matched = 0;  ///< elements (or pairs) on the grid
  std::uint64_t tested = 0;   ///< elements (or pairs) looked at
};

/// Numbers between two neighbours of a fixed scale: eight steps an octave, so that the scale fits
/// whatever the spread, one pass makes it, and a quantile read off it is right within an eighth.
struct HistogramBucket {
  double low = 0;  ///< the end towards zero belongs to the bucket, the other one does not
  double high = 0;
  std::uint64_t count = 0;
};

/// What was computed of one tensor. A field without a value was not asked for or cannot be told.
///
/// Counts are over real numbers: the parts of complex elements, the integers of quantized ones, the
/// numbers packed into a byte. They and the extremes are exact (integers beyond 2^53 are rounded to
/// double). Sums leave out what is not finite; they depend neither on the number of threads nor on
/// the processor. Those of integers, of 8-bit types and below are rounded once (squares of 64-bit
/// integers apart); the others are added in double, in 16
/// lanes for each 32 KiB.
struct ValueFacts {
  Quantities computed = 0;
  std::uint64_t count = 0;  ///< logical elements
  std::optional<Digest> digest;

  // kMoments
  std::uint64_t numbers = 0;  ///< real numbers in the elements; `count` for most types
  std::uint64_t nan = 0, positive_infinity = 0, negative_infinity = 0, zero = 0, subnormal = 0;
  double min = 0, max = 0;  ///< of the finite numbers
  bool all_equal = false;   ///< there is a number, and every one is the same
  double first = 0;         ///< the first number

  // kSums
  double sum = 0, sum_of_squares = 0;  ///< of the finite numbers

  std::vector<HistogramBucket> histogram;  ///< kHistogram: ascending, no empty ones, finite numbers

  std::optional<FingerprintEvidence> fingerprint;

  // kRows, for real numeric types and at least two dimensions. Rows are equal when all their bits
  // are; rows of zeros count as equal whatever the signs.
  std::uint64_t rows = 0;       ///< shape[0]; 0 when there is no element
  std::uint64_t zero_rows = 0;  ///< rows in which every element is zero
  std::optional<std::uint64_t> distinct_rows;  ///< nothing above 2^20 rows
  bool all_rows_equal = false;  ///< every row equals the first one

  std::string index_problem;  ///< kIndices: the first that lies outside; empty when none does
};

/// True when the numbers were counted and every one of them is zero.
[[nodiscard]] inline bool all_zero(const std::optional<ValueFacts>& values) {
  return values && (values->computed & kMoments) != 0 && values->numbers > 0 &&
         values->zero == values->numbers;
}

/// The magnitude that a share of the finite numbers does not exceed, rounded up by at most an eighth;
/// 0 when there are none.
[[nodiscard]] inline double magnitude_quantile(const std::vector<HistogramBucket>& histogram,
                                               double share) {
  double total = 0;
  for (const HistogramBucket& bucket : histogram) total += static_cast<double>(bucket.count);
  // From both ends towards zero, the larger magnitude first.
  double beyond = 0;
  for (std::size_t low = 0, high = histogram.size(); low < high;) {
    const bool negative = -histogram[low].low > histogram[high - 1].high;
    const HistogramBucket& bucket = negative ? histogram[low++] : histogram[--high];
    beyond += static_cast<double>(bucket.count);
    if (beyond > (1 - share) * total) return negative ? -bucket.low : bucket.high;
  }
  return 0;
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
