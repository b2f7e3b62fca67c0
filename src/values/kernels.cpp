// Counting floating-point numbers at the speed of memory.
//
// Compiled once for each instruction set that Highway knows; the best one is chosen when the
// program runs. What must stay true is that the choice changes nothing in the result, nor does the
// number of threads. Counts and extremes do not depend on the order. Sums do, so their order is
// fixed: number i of a call goes into lane i mod 16, whatever the width of a vector, and the lanes
// are added in one order at the end. They are added in double; a square of a float32 is exact
// there, so a fused multiply-add gives the same as two operations. For float64 it would not, and is
// not used.
//
// Nearly all tensors are finite and have no zeros. A block (small enough for the first cache) is
// therefore looked at as if it were so. The sum of squares shows an infinity or a NaN (where there
// is none, or where it may overflow, the largest magnitude does): the block is then looked at again
// by the careful form, which keeps those numbers out of sums and extremes. The smallest magnitude
// shows a zero or a number below the smallest normal one (of the stored type: a subnormal float16
// is normal as float32): they are then counted in a second look.
//
// So the fast form does five things with a number: its bits without the sign feed the smallest
// magnitude, and the number feeds minimum, maximum and, as double, the two sums.
#include "values/kernels.h"

// Vectors of a length that is known only at run time cannot lie in arrays.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "values/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "values/float_loads-inl.h"
#include "values/lanes.h"

#ifndef TORCHVET_VALUES_KERNELS_ONCE
#define TORCHVET_VALUES_KERNELS_ONCE
namespace torchvet {

inline constexpr std::size_t kBlockNumbers = 4096;  ///< looked at together; a multiple of kLanes

/// What is known of the numbers before: carried from block to block.
template <typename T>
struct FloatCounts {
  std::array<double, kLanes> sum{};
  std::array<double, kLanes> squares{};
  std::uint64_t small = 0;  ///< zero or subnormal
  std::uint64_t zero = 0;
  std::uint64_t nan = 0, positive_infinity = 0, negative_infinity = 0;
  T min = std::numeric_limits<T>::infinity();
  T max = -std::numeric_limits<T>::infinity();
};

}  // namespace torchvet
#endif

HWY_BEFORE_NAMESPACE();
namespace torchvet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Sums of kLanes numbers at a time.
struct Sums {
  DoubleVector sum[kDoubleVectors];
  DoubleVector squares[kDoubleVectors];

  HWY_INLINE explicit Sums(const std::array<double, kLanes>& sum_lanes,
                           const std::array<double, kLanes>& square_lanes) {
    for (std::size_t i = 0; i < kDoubleVectors; ++i) {
      sum[i] = hn::LoadU(Doubles(), sum_lanes.data() + i * hn::Lanes(Doubles()));
      squares[i] = hn::LoadU(Doubles(), square_lanes.data() + i * hn::Lanes(Doubles()));
    }
  }

  /// Numbers of which the square is exact in double.
  HWY_INLINE void add_narrow(std::size_t at, DoubleVector number) {
    sum[at] = hn::Add(sum[at], number);
    squares[at] = hn::MulAdd(number, number, squares[at]);
  }

  HWY_INLINE void add_wide(std::size_t at, DoubleVector number) {
    sum[at] = hn::Add(sum[at], number);
    squares[at] = hn::Add(squares[at], hn::Mul(number, number));
  }

  [[nodiscard]] HWY_INLINE bool squares_are_finite() const {
    // An infinity or NaN less itself is NaN, and stays it.
    DoubleVector off = hn::Sub(squares[0], squares[0]);
    for (std::size_t i = 1; i < kDoubleVectors; ++i) {
      off = hn::Add(off, hn::Sub(squares[i], squares[i]));
    }
    return hn::AllTrue(Doubles(), hn::Eq(off, hn::Zero(Doubles())));
  }

  HWY_INLINE void store(std::array<double, kLanes>& sum_lanes,
                        std::array<double, kLanes>& square_lanes) const {
    for (std::size_t i = 0; i < kDoubleVectors; ++i) {
      hn::StoreU(sum[i], Doubles(), sum_lanes.data() + i * hn::Lanes(Doubles()));
      hn::StoreU(squares[i], Doubles(), square_lanes.data() + i * hn::Lanes(Doubles()));
    }
  }
};

HWY_INLINE void add_to_sums(Sums& sums, std::size_t vector, FloatVector number) {
#if HWY_TARGET == HWY_SCALAR
  sums.add_narrow(vector, hn::PromoteTo(Doubles(), number));
#else
  const hn::Half<Floats> half;
  sums.add_narrow(2 * vector, hn::PromoteTo(Doubles(), hn::LowerHalf(half, number)));
  sums.add_narrow(2 * vector + 1, hn::PromoteTo(Doubles(), hn::UpperHalf(half, number)));
#endif
}

HWY_INLINE void add_to_sums(Sums& sums, std::size_t vector, DoubleVector number) {
  sums.add_wide(vector, number);
}

/// The same for the vector of numbers that begins at `from`. Widening while loading spares moving
/// the upper half of a vector.
template <typename Load, typename Vector>
HWY_INLINE void add_loaded(Sums& sums, std::size_t vector, Vector number,
                           const std::uint8_t* from) {
  constexpr std::size_t kWidth = hn::MaxLanes(Doubles());
  if constexpr (std::is_same_v<Load, LoadFloat32>) {
    constexpr std::size_t kHalves = hn::MaxLanes(Floats()) / kWidth;
    for (std::size_t half = 0; half < kHalves; ++half) {
      sums.add_narrow(kHalves * vector + half,
                      Widened<Load>::load(from + half * kWidth * Load::kSize));
    }
  } else {
    add_to_sums(sums, vector, number);
  }
}

/// Zeros and numbers below the smallest normal one, told from the bits as they are stored.
template <typename Load, typename T>
void count_small(const std::uint8_t* bytes, std::size_t count, FloatCounts<T>& counts) {
  using Word = typename Load::Word;
  const hn::CappedTag<Word, kLanes> whole;
  constexpr std::size_t kWidth = hn::MaxLanes(hn::CappedTag<Word, kLanes>());
  const auto magnitude_mask = hn::Set(whole, std::numeric_limits<Word>::max());
  const auto smallest = hn::Set(whole, Load::kSmallestNormal);
  std::size_t small = 0, zero = 0;
  for (std::size_t at = 0; at < count; at += kWidth) {
    const auto word = hn::LoadU(whole, reinterpret_cast<const Word*>(bytes + at * Load::kSize));
    const auto magnitude = hn::And(word, magnitude_mask);
    small += hn::CountTrue(whole, hn::Lt(magnitude, smallest));
    zero += hn::CountTrue(whole, hn::Eq(magnitude, hn::Zero(whole)));
  }
  counts.small += small;
  counts.zero += zero;
}

/// Looks at `count` numbers, a multiple of kLanes, as if all were finite: returns false, and has
/// changed nothing, when one is not.
template <typename D, typename Load, bool kSums, typename T = hn::TFromD<D>>
bool count_finite(const std::uint8_t* bytes, std::size_t count, FloatCounts<T>& counts) {
  const D d;
  const hn::RebindToSigned<D> whole;
  using Bits = hn::TFromD<decltype(whole)>;
  constexpr std::size_t kWidth = hn::MaxLanes(D());
  constexpr Bits kInfinityBits = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  constexpr bool kSquaresTell = kSums && sizeof(T) == sizeof(float);
  const auto magnitude_mask = hn::Set(whole, std::numeric_limits<Bits>::max());

  Sums sums(counts.sum, counts.squares);
  auto least = hn::Set(d, counts.min);
  auto most = hn::Set(d, counts.max);
  auto largest_bits = hn::Zero(whole);
  auto smallest_bits = magnitude_mask;
  for (std::size_t at = 0; at < count; at += kLanes) {
    ask_ahead(bytes + at * Load::kSize);
    for (std::size_t vector = 0; vector < kLanes / kWidth; ++vector) {
      const std::uint8_t* from = bytes + (at + vector * kWidth) * Load::kSize;
      const auto number = Load::load(from);
      const auto magnitude = hn::And(hn::BitCast(whole, number), magnitude_mask);
      smallest_bits = hn::Min(smallest_bits, magnitude);
      if constexpr (!kSquaresTell) largest_bits = hn::Max(largest_bits, magnitude);
      least = hn::Min(least, number);
      most = hn::Max(most, number);
      if constexpr (kSums) add_loaded<Load>(sums, vector, number, from);
    }
  }
  if constexpr (kSquaresTell) {
    if (!sums.squares_are_finite()) return false;
  } else if (hn::GetLane(hn::MaxOfLanes(whole, largest_bits)) >= kInfinityBits) {
    return false;
  }
  constexpr auto kSmallest = std::bit_cast<Bits>(static_cast<T>(Load::kSmallestNormalNumber));
  if (hn::GetLane(hn::MinOfLanes(whole, smallest_bits)) < kSmallest) {
    count_small<Load>(bytes, count, counts);
  }
  counts.min = hn::GetLane(hn::MinOfLanes(d, least));
  counts.max = hn::GetLane(hn::MaxOfLanes(d, most));
  if constexpr (kSums) sums.store(counts.sum, counts.squares);
  return true;
}

/// The same when some are not finite.
template <typename D, typename Load, bool kSums, typename T = hn::TFromD<D>>
void count_carefully(const std::uint8_t* bytes, std::size_t count, FloatCounts<T>& counts) {
  const D d;
  const hn::RebindToSigned<D> whole;
  using Bits = hn::TFromD<decltype(whole)>;
  constexpr std::size_t kWidth = hn::MaxLanes(D());
  const auto magnitude_mask = hn::Set(whole, std::numeric_limits<Bits>::max());
  const auto infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  const auto minus_infinity = hn::Set(d, -std::numeric_limits<T>::infinity());
  const auto infinity_bits = hn::BitCast(whole, infinity);

  Sums sums(counts.sum, counts.squares);
  auto least = hn::Set(d, counts.min);
  auto most = hn::Set(d, counts.max);
  std::size_t finite = 0, positive = 0, negative = 0;
  for (std::size_t at = 0; at < count; at += kLanes) {
    for (std::size_t vector = 0; vector < kLanes / kWidth; ++vector) {
      const auto number = Load::load(bytes + (at + vector * kWidth) * Load::kSize);
      const auto magnitude = hn::And(hn::BitCast(whole, number), magnitude_mask);
      positive += hn::CountTrue(d, hn::Eq(number, infinity));
      negative += hn::CountTrue(d, hn::Eq(number, minus_infinity));
      const auto whole_finite = hn::Lt(magnitude, infinity_bits);
      finite += hn::CountTrue(whole, whole_finite);
      const auto is_finite = hn::RebindMask(d, whole_finite);
      least = hn::Min(least, hn::IfThenElse(is_finite, number, infinity));
      most = hn::Max(most, hn::IfThenElse(is_finite, number, minus_infinity));
      if constexpr (kSums) add_to_sums(sums, vector, hn::IfThenElseZero(is_finite, number));
    }
  }
  count_small<Load>(bytes, count, counts);
  counts.positive_infinity += positive;
  counts.negative_infinity += negative;
  counts.nan += count - finite - positive - negative;
  counts.min = hn::GetLane(hn::MinOfLanes(d, least));
  counts.max = hn::GetLane(hn::MaxOfLanes(d, most));
  if constexpr (kSums) sums.store(counts.sum, counts.squares);
}

template <typename D, typename Load, bool kSums, typename T = hn::TFromD<D>>
void count_blocks(const std::uint8_t* bytes, std::size_t count, FloatCounts<T>& counts) {
  for (std::size_t at = 0; at < count; at += kBlockNumbers) {
    const std::uint8_t* block = bytes + at * Load::kSize;
    const std::size_t here = std::min(kBlockNumbers, count - at);
    if (!count_finite<D, Load, kSums>(block, here, counts)) {
      count_carefully<D, Load, kSums>(block, here, counts);
    }
  }
}

void float32_blocks(const std::uint8_t* bytes, std::size_t count, bool sums,
                    FloatCounts<float>& counts) {
  if (sums) return count_blocks<Floats, LoadFloat32, true>(bytes, count, counts);
  count_blocks<Floats, LoadFloat32, false>(bytes, count, counts);
}

void bfloat16_blocks(const std::uint8_t* bytes, std::size_t count, bool sums,
                     FloatCounts<float>& counts) {
  if (sums) return count_blocks<Floats, LoadBFloat16, true>(bytes, count, counts);
  count_blocks<Floats, LoadBFloat16, false>(bytes, count, counts);
}

void float16_blocks(const std::uint8_t* bytes, std::size_t count, bool sums,
                    FloatCounts<float>& counts) {
  if (sums) return count_blocks<Floats, LoadFloat16, true>(bytes, count, counts);
  count_blocks<Floats, LoadFloat16, false>(bytes, count, counts);
}

void float64_blocks(const std::uint8_t* bytes, std::size_t count, bool sums,
                    FloatCounts<double>& counts) {
  if (sums) return count_blocks<Doubles, LoadFloat64, true>(bytes, count, counts);
  count_blocks<Doubles, LoadFloat64, false>(bytes, count, counts);
}

/// float16 as float32, a multiple of kLanes.
void widen_float16(const std::uint8_t* bytes, std::size_t count, float* to) {
  constexpr std::size_t kWidth = hn::MaxLanes(Floats());
  for (std::size_t at = 0; at < count; at += kWidth) {
    hn::StoreU(LoadFloat16::load(bytes + 2 * at), Floats(), to + at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace torchvet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace torchvet {
namespace {

HWY_EXPORT(float32_blocks);
HWY_EXPORT(bfloat16_blocks);
HWY_EXPORT(float16_blocks);
HWY_EXPORT(float64_blocks);
HWY_EXPORT(widen_float16);

constexpr double kSmallestNormalFloat16 = 0x1p-14;

/// The last numbers, too few for the lanes.
template <typename T>
void count_rest(const T* rest, std::size_t count, T smallest_normal, FloatCounts<T>& counts) {
  for (std::size_t i = 0; i < count; ++i) {
    const T number = rest[i];
    if (std::isnan(number)) {
      ++counts.nan;
    } else if (std::isinf(number)) {
      ++(number > 0 ? counts.positive_infinity : counts.negative_infinity);
    } else {
      if (number == 0) ++counts.zero;
      if (std::fabs(number) < smallest_normal) ++counts.small;
      counts.min = std::min(counts.min, number);
      counts.max = std::max(counts.max, number);
      const double wide = static_cast<double>(number);
      counts.sum[i] += wide;
      counts.squares[i] += wide * wide;
    }
  }
}

template <typename T>
Numbers numbers_of(const FloatCounts<T>& counts, std::uint64_t count) {
  Numbers here;
  here.count = count;
  here.nan = counts.nan;
  here.positive_infinity = counts.positive_infinity;
  here.negative_infinity = counts.negative_infinity;
  here.zero = counts.zero;
  here.subnormal = counts.small - counts.zero;
  here.min = static_cast<double>(counts.min);
  here.max = static_cast<double>(counts.max);
  here.sum = static_cast<long double>(added(counts.sum));
  here.squares = static_cast<long double>(added(counts.squares));
  return here;
}

/// The top 12 bits of each number as float32 (of the two halves of a pair of tables, so that equal
/// numbers in a row do not wait for each other).
template <typename Word>
void add_keys(const std::uint8_t* bytes, std::uint64_t count, int shift, HistogramCounts& to) {
  std::array<std::array<std::uint32_t, 1u << 12>, 2> tables{};
  for (std::uint64_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, bytes + i * sizeof(Word), sizeof(Word));
    ++tables[i & 1][word >> shift];
  }
  for (std::size_t key = 0; key < tables[0].size(); ++key) {
    to.counts()[key] += std::uint64_t{tables[0][key]} + tables[1][key];
  }
}

/// Sums that leave the range of double on the way: once more, one by one, in a wider type.
void add_again(const std::uint8_t* bytes, std::uint64_t count, Numbers& here) {
  here.sum = here.squares = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    double number;
    std::memcpy(&number, bytes + i * sizeof(double), sizeof(double));
    if (!std::isfinite(number)) continue;
    here.sum += static_cast<long double>(number);
    here.squares += static_cast<long double>(number) * static_cast<long double>(number);
  }
}

}  // namespace

void count_floats(FloatKind kind, const std::uint8_t* bytes, std::uint64_t size, bool sums,
                  Numbers& numbers) {
  const std::uint64_t item = kind == FloatKind::kFloat32 ? 4 : 2;
  const std::uint64_t count = size / item;
  const std::uint64_t grouped = count / kLanes * kLanes;
  const std::uint64_t left = count - grouped;
  const std::uint8_t* last = bytes + grouped * item;
  FloatCounts<float> counts;
  std::array<float, kLanes> rest{};
  if (kind == FloatKind::kFloat32) {
    HWY_DYNAMIC_DISPATCH(float32_blocks)(bytes, grouped, sums, counts);
    std::memcpy(rest.data(), last, left * item);
  } else {
    std::array<std::uint16_t, kLanes> words{};
    std::memcpy(words.data(), last, left * item);
    if (kind == FloatKind::kFloat16) {
      HWY_DYNAMIC_DISPATCH(float16_blocks)(bytes, grouped, sums, counts);
      HWY_DYNAMIC_DISPATCH(widen_float16)
      (reinterpret_cast<const std::uint8_t*>(words.data()), kLanes, rest.data());
    } else {
      HWY_DYNAMIC_DISPATCH(bfloat16_blocks)(bytes, grouped, sums, counts);
      for (std::size_t i = 0; i < kLanes; ++i) {
        rest[i] = std::bit_cast<float>(std::uint32_t{words[i]} << 16);
      }
    }
  }
  const float smallest = kind == FloatKind::kFloat16 ? static_cast<float>(kSmallestNormalFloat16)
                                                     : std::numeric_limits<float>::min();
  count_rest(rest.data(), left, smallest, counts);
  numbers.merge(numbers_of(counts, count));
}

void count_float_magnitudes(FloatKind kind, const std::uint8_t* bytes, std::uint64_t size,
                            HistogramCounts& histogram) {
  const std::uint64_t count = size / (kind == FloatKind::kFloat32 ? 4 : 2);
  if (kind == FloatKind::kFloat32) return add_keys<std::uint32_t>(bytes, count, 20, histogram);
  if (kind == FloatKind::kBFloat16) return add_keys<std::uint16_t>(bytes, count, 4, histogram);
  std::array<float, kBlockNumbers> block;
  for (std::uint64_t at = 0; at < count; at += block.size()) {
    const std::uint64_t here = std::min<std::uint64_t>(block.size(), count - at);
    std::array<std::uint16_t, kBlockNumbers> words{};
    std::memcpy(words.data(), bytes + 2 * at, 2 * here);
    HWY_DYNAMIC_DISPATCH(widen_float16)
    (reinterpret_cast<const std::uint8_t*>(words.data()), (here + kLanes - 1) / kLanes * kLanes,
     block.data());
    add_keys<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(block.data()), here, 20,
                            histogram);
  }
}

void count_doubles(const std::uint8_t* bytes, std::uint64_t size, bool sums, Numbers& numbers) {
  const std::uint64_t count = size / sizeof(double);
  const std::uint64_t grouped = count / kLanes * kLanes;
  FloatCounts<double> counts;
  std::array<double, kLanes> rest{};
  HWY_DYNAMIC_DISPATCH(float64_blocks)(bytes, grouped, sums, counts);
  std::memcpy(rest.data(), bytes + grouped * sizeof(double), size - grouped * sizeof(double));
  count_rest(rest.data(), count - grouped, std::numeric_limits<double>::min(), counts);
  Numbers here = numbers_of(counts, count);
  if (sums && !(std::isfinite(here.sum) && std::isfinite(here.squares))) {
    add_again(bytes, count, here);
  }
  numbers.merge(here);
}

void count_double_magnitudes(const std::uint8_t* bytes, std::uint64_t size,
                             HistogramCounts& histogram) {
  for (std::uint64_t at = 0; at < size; at += sizeof(double)) {
    double number;
    std::memcpy(&number, bytes + at, sizeof(double));
    histogram.add(number, 1);
  }
}

}  // namespace torchvet
#endif
