#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "model/dtype.h"
#include "model/value_facts.h"

namespace torchvet {

__extension__ using Wide = __int128;
__extension__ using WideUnsigned = unsigned __int128;

/// Counts of magnitudes on a fixed scale, see `Histogram` in model/value_facts.h: the top bits of
/// the number as float32 (sign, 8 bits of exponent, 3 of mantissa) or, for types that float32 does
/// not hold, as float64 (sign, 11, 3).
class HistogramCounts {
 public:
  explicit HistogramCounts(DType dtype);
  [[nodiscard]] bool wide() const { return counts_.size() > kNarrowKeys; }
  [[nodiscard]] std::uint64_t* counts() { return counts_.data(); }
  void add(double number, std::uint64_t times);
  void merge(const HistogramCounts& other);
  [[nodiscard]] std::vector<HistogramBucket> finish() const;

 private:
  static constexpr std::size_t kNarrowKeys = std::size_t{1} << 12;
  static constexpr std::size_t kWideKeys = std::size_t{1} << 15;
  std::vector<std::uint64_t> counts_;
};

/// What one pass over real numbers finds. Everything but `sum` and `squares` is exact and does not
/// depend on the order; those two are merged in the order of the elements.
struct Numbers {
  std::uint64_t count = 0;  ///< numbers looked at
  std::uint64_t nan = 0, positive_infinity = 0, negative_infinity = 0, zero = 0, subnormal = 0;
  double min = std::numeric_limits<double>::infinity();  ///< of the finite ones
  double max = -std::numeric_limits<double>::infinity();
  long double sum = 0, squares = 0;  ///< of the finite ones, floating point

  // Integers keep everything exactly; `squares` above is used where 128 bits may not hold the sum.
  bool whole = false;
  Wide whole_min = 0, whole_max = 0, whole_sum = 0;
  WideUnsigned whole_squares = 0;

  /// Adds the numbers that follow these.
  void merge(const Numbers& next);
  /// Fills the fields of kMoments and kSums.
  void finish(ValueFacts& facts) const;
};

/// Real numbers in one element: 2 for complex and packed types; 0 for types without numbers.
[[nodiscard]] std::uint64_t numbers_per_element(DType dtype);

/// Looks at the real numbers in `size` bytes of whole elements, little-endian, and adds them to
/// `numbers`; to the sums only when `sums`.
void count_numbers(DType dtype, const std::uint8_t* bytes, std::uint64_t size, bool sums,
                   Numbers& numbers);

/// The same for a histogram made for this type.
void count_magnitudes(DType dtype, const std::uint8_t* bytes, std::uint64_t size,
                      HistogramCounts& histogram);

}  // namespace torchvet
