// One pass over numbers, by the kind of element:
//   floating point of 16 bits and more   vector kernels (kernels.h)
//   anything of 8 bits or less           the 256 byte codes are counted; all else follows from the
//                                        counts and a table of what each code means (byte_codes.h)
//   integers of 16 bits and more         exact arithmetic in 128 bits (integers.h)
// The real and imaginary parts of complex numbers are looked at as two numbers.
#include "values/numbers.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "values/byte_codes.h"
#include "values/integers.h"
#include "values/kernels.h"

namespace torchvet {
namespace {

constexpr int kNarrowShift = 20, kWideShift = 49;
constexpr std::uint64_t kNarrowEnd = 0x7f8;  ///< the key of infinity as float32

/// The lower bound of a key's magnitude, by the key without its sign.
double edge(std::uint64_t key, bool wide) {
  if (wide) return std::bit_cast<double>(key << kWideShift);
  if (key == kNarrowEnd) return 0x1p128;
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(key << kNarrowShift)));
}

}  // namespace

HistogramCounts::HistogramCounts(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
    case DType::kComplex128:
    case DType::kInt64:
    case DType::kUint64:
    case DType::kInt32:
    case DType::kUint32:
    case DType::kQint32:
      counts_.resize(kWideKeys);
      break;
    default:
      counts_.resize(kNarrowKeys);
  }
}

void HistogramCounts::add(double number, std::uint64_t times) {
  const std::uint64_t key =
      wide() ? std::bit_cast<std::uint64_t>(number) >> kWideShift
             : std::bit_cast<std::uint32_t>(static_cast<float>(number)) >> kNarrowShift;
  counts_[key] += times;
}

void HistogramCounts::merge(const HistogramCounts& other) {
  for (std::size_t key = 0; key < counts_.size(); ++key) counts_[key] += other.counts_[key];
}

std::vector<HistogramBucket> HistogramCounts::finish() const {
  const std::size_t half = counts_.size() / 2;  // keys of one sign
  const std::size_t finite = half - 8;          // the top exponent is not finite
  std::vector<HistogramBucket> buckets;
  for (std::size_t key = finite; key-- > 0;) {
    if (counts_[half + key] == 0) continue;
    buckets.push_back({-edge(key + 1, wide()), -edge(key, wide()), counts_[half + key]});
  }
  for (std::size_t key = 0; key < finite; ++key) {
    if (counts_[key] == 0) continue;
    buckets.push_back({edge(key, wide()), edge(key + 1, wide()), counts_[key]});
  }
  return buckets;
}

void Numbers::merge(const Numbers& next) {
  if (next.count == 0) return;
  whole_min = count == 0 ? next.whole_min : std::min(whole_min, next.whole_min);
  whole_max = count == 0 ? next.whole_max : std::max(whole_max, next.whole_max);
  whole_sum += next.whole_sum;
  whole_squares += next.whole_squares;
  whole = next.whole;
  count += next.count;
  nan += next.nan;
  positive_infinity += next.positive_infinity;
  negative_infinity += next.negative_infinity;
  zero += next.zero;
  subnormal += next.subnormal;
  min = std::min(min, next.min);
  max = std::max(max, next.max);
  sum += next.sum;
  squares += next.squares;
}

void Numbers::finish(ValueFacts& facts) const {
  facts.numbers = count;
  facts.nan = nan;
  facts.positive_infinity = positive_infinity;
  facts.negative_infinity = negative_infinity;
  facts.zero = zero;
  facts.subnormal = subnormal;
  const std::uint64_t infinite = positive_infinity + negative_infinity;
  const std::uint64_t finite = count - nan - infinite;
  if (whole) {
    facts.min = static_cast<double>(whole_min);
    facts.max = static_cast<double>(whole_max);
    facts.all_equal = whole_min == whole_max;
    facts.sum = static_cast<double>(whole_sum);
    facts.sum_of_squares =
        squares != 0 ? static_cast<double>(squares) : static_cast<double>(whole_squares);
    return;
  }
  // Adding zero makes a negative zero positive: which zero a minimum meets first says nothing.
  facts.min = finite > 0 ? min + 0.0 : 0;
  facts.max = finite > 0 ? max + 0.0 : 0;
  facts.all_equal = finite > 0 ? finite == count && min == max
                               : infinite == count && infinite > 0 &&
                                     (positive_infinity == 0 || negative_infinity == 0);
  facts.sum = static_cast<double>(sum);
  facts.sum_of_squares = static_cast<double>(squares);
}

std::uint64_t numbers_per_element(DType dtype) {
  switch (dtype) {
    case DType::kUnknown:
    case DType::kBits8:
    case DType::kBits16:
      return 0;
    case DType::kComplex32:
    case DType::kComplex64:
    case DType::kComplex128:
      return 2;
    default:
      return item_size(dtype) == 1 ? codes_of(dtype).size() / 256 : 1;
  }
}

void count_numbers(DType dtype, const std::uint8_t* bytes, std::uint64_t size, bool sums,
                   Numbers& numbers) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return count_floats(FloatKind::kFloat32, bytes, size, sums, numbers);
    case DType::kFloat16:
    case DType::kComplex32:
      return count_floats(FloatKind::kFloat16, bytes, size, sums, numbers);
    case DType::kBFloat16:
      return count_floats(FloatKind::kBFloat16, bytes, size, sums, numbers);
    case DType::kFloat64:
    case DType::kComplex128:
      return count_doubles(bytes, size, sums, numbers);
    case DType::kInt16:
      return count_integers<std::int16_t>(bytes, size, sums, numbers);
    case DType::kUint16:
      return count_integers<std::uint16_t>(bytes, size, sums, numbers);
    case DType::kInt32:
    case DType::kQint32:
      return count_integers<std::int32_t>(bytes, size, sums, numbers);
    case DType::kUint32:
      return count_integers<std::uint32_t>(bytes, size, sums, numbers);
    case DType::kInt64:
      return count_integers<std::int64_t>(bytes, size, sums, numbers);
    case DType::kUint64:
      return count_integers<std::uint64_t>(bytes, size, sums, numbers);
    default:
      if (numbers_per_element(dtype) == 0) return;
      return count_byte_codes(codes_of(dtype), bytes, size, numbers);
  }
}

void count_magnitudes(DType dtype, const std::uint8_t* bytes, std::uint64_t size,
                      HistogramCounts& histogram) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return count_float_magnitudes(FloatKind::kFloat32, bytes, size, histogram);
    case DType::kFloat16:
    case DType::kComplex32:
      return count_float_magnitudes(FloatKind::kFloat16, bytes, size, histogram);
    case DType::kBFloat16:
      return count_float_magnitudes(FloatKind::kBFloat16, bytes, size, histogram);
    case DType::kFloat64:
    case DType::kComplex128:
      return count_double_magnitudes(bytes, size, histogram);
    case DType::kInt16:
      return count_integer_magnitudes<std::int16_t>(bytes, size, histogram);
    case DType::kUint16:
      return count_integer_magnitudes<std::uint16_t>(bytes, size, histogram);
    case DType::kInt32:
    case DType::kQint32:
      return count_integer_magnitudes<std::int32_t>(bytes, size, histogram);
    case DType::kUint32:
      return count_integer_magnitudes<std::uint32_t>(bytes, size, histogram);
    case DType::kInt64:
      return count_integer_magnitudes<std::int64_t>(bytes, size, histogram);
    case DType::kUint64:
      return count_integer_magnitudes<std::uint64_t>(bytes, size, histogram);
    default:
      if (numbers_per_element(dtype) == 0) return;
      return count_byte_magnitudes(codes_of(dtype), bytes, size, histogram);
  }
}

}  // namespace torchvet
