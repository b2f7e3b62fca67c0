// Loads of floating-point numbers for kernels that Highway compiles once for each instruction set:
// included by such a file inside its foreach_target loop, so the guard lets it in once a target.
#if defined(TORCHVET_VALUES_FLOAT_LOADS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TORCHVET_VALUES_FLOAT_LOADS_INL_H_
#undef TORCHVET_VALUES_FLOAT_LOADS_INL_H_
#else
#define TORCHVET_VALUES_FLOAT_LOADS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "values/lanes.h"

HWY_BEFORE_NAMESPACE();
namespace torchvet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most as many lanes as the fixed order has.
using Floats = hn::CappedTag<float, kLanes>;
using Doubles = hn::CappedTag<double, kLanes / 2>;
using FloatVector = hn::Vec<Floats>;
using DoubleVector = hn::Vec<Doubles>;
inline constexpr std::size_t kDoubleVectors = kLanes / hn::MaxLanes(Doubles());

/// Asks memory for what comes kAhead bytes behind `bytes`. Processors guess that themselves but
/// stop at the end of a page; asking saves a fourth of the time. Asking for what is not there does
/// nothing.
HWY_INLINE void ask_ahead(const std::uint8_t* bytes) {
  constexpr std::size_t kAhead = 4096;
  hwy::Prefetch(bytes + kAhead);
}

// Each type is loaded as float32, as many numbers as D has lanes. Word: the stored bits, of which
// kSmallestNormal are those of the smallest normal number.

struct LoadFloat32 {
  using Word = std::int32_t;
  static constexpr std::size_t kSize = 4;
  static constexpr Word kSmallestNormal = 0x00800000;
  static constexpr double kSmallestNormalNumber = 0x1p-126;
  template <typename D = Floats>
  static HWY_INLINE hn::Vec<D> load(const std::uint8_t* from) {
    return hn::LoadU(D(), reinterpret_cast<const float*>(from));
  }
};

template <typename D>
HWY_INLINE hn::Vec<hn::Rebind<std::uint16_t, D>> load_words(const std::uint8_t* from) {
  return hn::LoadU(hn::Rebind<std::uint16_t, D>(), reinterpret_cast<const std::uint16_t*>(from));
}

struct LoadBFloat16 {
  using Word = std::int16_t;
  static constexpr std::size_t kSize = 2;
  static constexpr Word kSmallestNormal = 0x0080;
  static constexpr double kSmallestNormalNumber = 0x1p-126;
  template <typename D = Floats>
  static HWY_INLINE hn::Vec<D> load(const std::uint8_t* from) {
    const hn::RebindToUnsigned<D> bits;
    return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(bits, load_words<D>(from))));
  }
};

struct LoadFloat16 {
  using Word = std::int16_t;
  static constexpr std::size_t kSize = 2;
  static constexpr Word kSmallestNormal = 0x0400;
  static constexpr double kSmallestNormalNumber = 0x1p-14;
  template <typename D = Floats>
  static HWY_INLINE hn::Vec<D> load(const std::uint8_t* from) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
    return hn::PromoteTo(D(), hn::BitCast(hn::Rebind<hwy::float16_t, D>(), load_words<D>(from)));
#else
    // By arithmetic on the bits; Highway's own form without the instruction makes numbers of
    // infinity and NaN.
    const hn::RebindToUnsigned<D> bits;
    const auto word = hn::PromoteTo(bits, load_words<D>(from));
    const auto sign = hn::ShiftLeft<16>(hn::And(word, hn::Set(bits, 0x8000u)));
    const auto rest = hn::ShiftLeft<13>(hn::And(word, hn::Set(bits, 0x7fffu)));
    const auto exponent = hn::And(rest, hn::Set(bits, 0x0f800000u));
    // 2^-14 + subnormal - 2^-14: exact, and no subnormal float32 on the way.
    const auto smallest = hn::Set(bits, 0x38800000u);
    const auto subnormal = hn::BitCast(
        bits, hn::Sub(hn::BitCast(D(), hn::Or(rest, smallest)), hn::BitCast(D(), smallest)));
    const auto normal = hn::Add(rest, hn::Set(bits, 0x38000000u));
    const auto special = hn::Or(rest, hn::Set(bits, 0x7f800000u));
    auto number = hn::IfThenElse(hn::Eq(exponent, hn::Zero(bits)), subnormal, normal);
    number = hn::IfThenElse(hn::Eq(exponent, hn::Set(bits, 0x0f800000u)), special, number);
    return hn::BitCast(D(), hn::Or(number, sign));
#endif
  }
};

/// The types above as double.
template <typename Load>
struct Widened {
  static constexpr std::size_t kSize = Load::kSize;
  static HWY_INLINE DoubleVector load(const std::uint8_t* from) {
    return hn::PromoteTo(Doubles(), Load::template load<hn::Rebind<float, Doubles>>(from));
  }
};

struct LoadFloat64 {
  using Word = std::int64_t;
  static constexpr std::size_t kSize = 8;
  static constexpr Word kSmallestNormal = 0x0010000000000000;
  static constexpr double kSmallestNormalNumber = 0x1p-1022;
  static HWY_INLINE DoubleVector load(const std::uint8_t* from) {
    return hn::LoadU(Doubles(), reinterpret_cast<const double*>(from));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace torchvet
HWY_AFTER_NAMESPACE();

#endif  // once for each target
