// The four sums of a comparison, for each instruction set that Highway knows. As in kernels.cpp the
// order of additions is fixed: pair i of a call goes into lane i mod 16, and the lanes are added in
// one order at the end. All is done in double, in which products of float32 are exact, so that a
// fused multiply-add gives the same as two operations; where they are not, none is used.
//
// A block is first looked at as if all its numbers were finite. One that is not makes the sums of
// the block NaN or infinite: it is then looked at again, one pair after the other, and such pairs
// are counted and left out. So is a block of float64 whose squares overflow: its sums stay
// infinite.
#include "values/compare_kernels.h"

#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "values/compare_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "values/float_loads-inl.h"
#include "values/lanes.h"

#ifndef TORCHVET_VALUES_COMPARE_ONCE
#define TORCHVET_VALUES_COMPARE_ONCE
namespace torchvet {

/// One group of float64 takes two.
inline constexpr std::size_t kCacheLine = 64;

struct PairLanes {
  std::array<double, kLanes> before{}, after{}, difference{}, dot{};
};

}  // namespace torchvet
#endif

HWY_BEFORE_NAMESPACE();
namespace torchvet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct PairSums {
  DoubleVector before[kDoubleVectors], after[kDoubleVectors];
  DoubleVector difference[kDoubleVectors], dot[kDoubleVectors];

  HWY_INLINE PairSums() {
    for (std::size_t i = 0; i < kDoubleVectors; ++i) {
      before[i] = after[i] = difference[i] = dot[i] = hn::Zero(Doubles());
    }
  }

  /// Numbers of which products, though not the square of a difference, are exact in double.
  HWY_INLINE void add_narrow(std::size_t at, DoubleVector old_number, DoubleVector new_number) {
    const DoubleVector change = hn::Sub(new_number, old_number);
    before[at] = hn::MulAdd(old_number, old_number, before[at]);
    after[at] = hn::MulAdd(new_number, new_number, after[at]);
    difference[at] = hn::Add(difference[at], hn::Mul(change, change));
    dot[at] = hn::MulAdd(old_number, new_number, dot[at]);
  }

  HWY_INLINE void add_wide(std::size_t at, DoubleVector old_number, DoubleVector new_number) {
    const DoubleVector change = hn::Sub(new_number, old_number);
    before[at] = hn::Add(before[at], hn::Mul(old_number, old_number));
    after[at] = hn::Add(after[at], hn::Mul(new_number, new_number));
    difference[at] = hn::Add(difference[at], hn::Mul(change, change));
    dot[at] = hn::Add(dot[at], hn::Mul(old_number, new_number));
  }

  HWY_INLINE void store(PairLanes& lanes) const {
    for (std::size_t i = 0; i < kDoubleVectors; ++i) {
      const std::size_t at = i * hn::Lanes(Doubles());
      hn::StoreU(before[i], Doubles(), lanes.before.data() + at);
      hn::StoreU(after[i], Doubles(), lanes.after.data() + at);
      hn::StoreU(difference[i], Doubles(), lanes.difference.data() + at);
      hn::StoreU(dot[i], Doubles(), lanes.dot.data() + at);
    }
  }
};

/// `count` pairs, a multiple of kLanes.
template <typename Load, bool kNarrow>
void pair_block(const std::uint8_t* before, const std::uint8_t* after, std::size_t count,
                PairLanes& lanes) {
  constexpr std::size_t kGroup = kLanes * Load::kSize;
  constexpr std::size_t kVector = kGroup / kDoubleVectors;
  PairSums sums;
  for (std::size_t at = 0; at < count * Load::kSize; at += kGroup) {
    for (std::size_t line = 0; line < kGroup; line += kCacheLine) {
      ask_ahead(before + at + line);
      ask_ahead(after + at + line);
    }
    for (std::size_t vector = 0; vector < kDoubleVectors; ++vector) {
      const DoubleVector old_number = Load::load(before + at + vector * kVector);
      const DoubleVector new_number = Load::load(after + at + vector * kVector);
      if constexpr (kNarrow) {
        sums.add_narrow(vector, old_number, new_number);
      } else {
        sums.add_wide(vector, old_number, new_number);
      }
    }
  }
  sums.store(lanes);
}

void float32_pairs(const std::uint8_t* before, const std::uint8_t* after, std::size_t count,
                   PairLanes& lanes) {
  pair_block<Widened<LoadFloat32>, true>(before, after, count, lanes);
}

void float16_pairs(const std::uint8_t* before, const std::uint8_t* after, std::size_t count,
                   PairLanes& lanes) {
  pair_block<Widened<LoadFloat16>, true>(before, after, count, lanes);
}

void bfloat16_pairs(const std::uint8_t* before, const std::uint8_t* after, std::size_t count,
                    PairLanes& lanes) {
  pair_block<Widened<LoadBFloat16>, true>(before, after, count, lanes);
}

void float64_pairs(const std::uint8_t* before, const std::uint8_t* after, std::size_t count,
                   PairLanes& lanes) {
  pair_block<LoadFloat64, false>(before, after, count, lanes);
}

/// kLanes numbers of float16 as float32.
void widen_half(const std::uint8_t* bytes, float* to) {
  constexpr std::size_t kWidth = hn::MaxLanes(Floats());
  for (std::size_t at = 0; at < kLanes; at += kWidth) {
    hn::StoreU(LoadFloat16::load(bytes + 2 * at), Floats(), to + at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace torchvet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace torchvet {
namespace {

HWY_EXPORT(float32_pairs);
HWY_EXPORT(float16_pairs);
HWY_EXPORT(bfloat16_pairs);
HWY_EXPORT(float64_pairs);
HWY_EXPORT(widen_half);

PairFacts facts_of(const PairLanes& lanes) {
  return {added(lanes.before), added(lanes.after), added(lanes.difference), added(lanes.dot)};
}

bool is_finite(const PairFacts& facts) {
  return std::isfinite(facts.before_squared) && std::isfinite(facts.after_squared) &&
         std::isfinite(facts.difference_squared) && std::isfinite(facts.dot);
}

double number_at(DType dtype, const std::uint8_t* bytes, std::size_t at) {
  switch (dtype) {
    case DType::kFloat64: {
      double number;
      std::memcpy(&number, bytes + 8 * at, 8);
      return number;
    }
    case DType::kFloat32: {
      float number;
      std::memcpy(&number, bytes + 4 * at, 4);
      return static_cast<double>(number);
    }
    default: {
      std::array<std::uint8_t, 2 * kLanes> padded{};
      std::memcpy(padded.data(), bytes + 2 * at, 2);
      if (dtype == DType::kBFloat16) {
        const std::uint32_t bits =
            (std::uint32_t{padded[1]} << 24) | (std::uint32_t{padded[0]} << 16);
        return static_cast<double>(std::bit_cast<float>(bits));
      }
      std::array<float, kLanes> wide{};
      HWY_DYNAMIC_DISPATCH(widen_half)(padded.data(), wide.data());
      return static_cast<double>(wide[0]);
    }
  }
}

/// One after the other.
PairBlock carefully(DType dtype, const std::uint8_t* before, const std::uint8_t* after,
                    std::size_t count) {
  PairBlock block;
  for (std::size_t i = 0; i < count; ++i) {
    const double a = number_at(dtype, before, i), b = number_at(dtype, after, i);
    block.not_finite += std::isfinite(b) ? 0 : 1;
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    block.sums.add({a * a, b * b, (b - a) * (b - a), a * b});
  }
  return block;
}

/// A multiple of kLanes pairs, as if all numbers were finite.
PairFacts quickly(DType dtype, const std::uint8_t* before, const std::uint8_t* after,
                  std::size_t count) {
  PairLanes lanes;
  if (dtype == DType::kFloat32) {
    HWY_DYNAMIC_DISPATCH(float32_pairs)(before, after, count, lanes);
  } else if (dtype == DType::kFloat64) {
    HWY_DYNAMIC_DISPATCH(float64_pairs)(before, after, count, lanes);
  } else if (dtype == DType::kFloat16) {
    HWY_DYNAMIC_DISPATCH(float16_pairs)(before, after, count, lanes);
  } else {
    HWY_DYNAMIC_DISPATCH(bfloat16_pairs)(before, after, count, lanes);
  }
  return facts_of(lanes);
}

}  // namespace

bool has_pair_sums(DType dtype) {
  return dtype == DType::kFloat64 || dtype == DType::kFloat32 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

PairBlock look_at_pairs(DType dtype, const std::uint8_t* before, const std::uint8_t* after,
                        std::uint64_t size) {
  const std::uint64_t item = item_size(dtype);
  const std::uint64_t count = size / item;
  const std::uint64_t grouped = count / kLanes * kLanes;
  PairBlock block{.sums = quickly(dtype, before, after, grouped)};
  if (!is_finite(block.sums)) block = carefully(dtype, before, after, grouped);
  const PairBlock rest =
      carefully(dtype, before + grouped * item, after + grouped * item, count - grouped);
  block.sums.add(rest.sums);
  block.not_finite += rest.not_finite;
  return block;
}

}  // namespace torchvet
#endif
