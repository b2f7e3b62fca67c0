// The tests of init_fingerprint.cpp for many elements at once.
//
// Each of them uses only a part of the elements: these are first picked out, side by side, into a
// small buffer, so that the costly arithmetic works on full vectors. All of it is in double without
// fused operations, so that every processor comes to the same counts.
#include "values/fingerprint_kernels.h"

#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "values/fingerprint_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numbers>

#ifndef TORCHVET_VALUES_FINGERPRINT_ONCE
#define TORCHVET_VALUES_FINGERPRINT_ONCE
namespace torchvet {

inline constexpr std::size_t kPicked = 128;  ///< elements in the buffer
inline constexpr std::size_t kRoom = 16;     ///< a vector is stored whole, picked lanes first
inline constexpr std::size_t kStretch = 64;  ///< enough to tell 0.2 from 0.97
inline constexpr double kNear = 0.1, kFar = 0.3;

using Picked = std::array<float, kPicked + kRoom>;

}  // namespace torchvet
#endif

HWY_BEFORE_NAMESPACE();
namespace torchvet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::CappedTag<double, 8>;
using Floats = hn::Rebind<float, Doubles>;  // as many lanes as Doubles
using DoubleVector = hn::Vec<Doubles>;
using FloatVector = hn::Vec<Floats>;
using Eight = hn::CappedTag<float, 8>;

HWY_INLINE DoubleVector set(double number) { return hn::Set(Doubles(), number); }

/// Lanes that stand for picked elements, of a vector that begins at `at`.
HWY_INLINE hn::Mask<Floats> used(std::size_t at, std::size_t count) {
  return hn::FirstN(Floats(), std::min(count - at, hn::MaxLanes(Floats())));
}

HWY_INLINE hn::Mask<Floats> on_fused_grid(FloatVector value, double bound) {
  // Exact in double: 25 + 24 bits of the product, and the difference needs at most one more.
  const double range = 2.0 * bound;
  const DoubleVector wide = hn::PromoteTo(Doubles(), value);
  const DoubleVector k =
      hn::Round(hn::Mul(hn::Div(hn::Add(wide, set(bound)), set(range)), set(0x1p25)));
  hn::Mask<Floats> fits = hn::FirstN(Floats(), 0);
  for (const double step : {-1.0, 0.0, 1.0}) {
    const DoubleVector share = hn::Mul(hn::Add(k, set(step)), set(0x1p-25));
    const DoubleVector rebuilt = hn::Sub(hn::Mul(share, set(range)), set(bound));
    fits = hn::Or(fits, hn::Eq(hn::DemoteTo(Floats(), rebuilt), value));
  }
  return fits;
}

HWY_INLINE hn::Mask<Floats> on_unfused_grid(FloatVector value, float bound) {
  const float range = 2.0f * bound;
  const DoubleVector wide = hn::PromoteTo(Doubles(), value);
  const DoubleVector k = hn::Round(hn::Mul(
      hn::Div(hn::Add(wide, set(static_cast<double>(bound))), set(static_cast<double>(range))),
      set(0x1p24)));
  hn::Mask<Floats> fits = hn::FirstN(Floats(), 0);
  for (const double step : {-1.0, 0.0, 1.0}) {
    const DoubleVector share = hn::Mul(hn::Add(k, set(step)), set(0x1p-24));
    const FloatVector product = hn::Mul(hn::DemoteTo(Floats(), share), hn::Set(Floats(), range));
    fits = hn::Or(fits, hn::Eq(hn::Sub(product, hn::Set(Floats(), bound)), value));
  }
  return fits;
}

void uniform_picked(const float* picked, std::size_t count, UniformGrid& grid) {
  const std::size_t width = hn::MaxLanes(Floats());
  for (std::size_t at = 0; at < count && grid.fits(); at += width) {
    const FloatVector value = hn::LoadU(Floats(), picked + at);
    const hn::Mask<Floats> here = used(at, count);
    if (grid.fused) {
      const auto fits = on_fused_grid(value, static_cast<double>(grid.bound));
      grid.fused = hn::AllTrue(Floats(), hn::Or(hn::Not(here), fits));
    }
    if (grid.unfused) {
      const auto fits = on_unfused_grid(value, grid.bound);
      grid.unfused = hn::AllTrue(Floats(), hn::Or(hn::Not(here), fits));
    }
  }
  grid.tested += count;
}

/// `count` is a multiple of 8.
void uniform_values(const float* values, std::size_t count, UniformGrid& grid) {
  const Eight d;
  const auto limit = hn::Set(d, grid.bound / 4);
  Picked picked{};
  std::size_t held = 0;
  for (std::size_t at = 0; at < count && grid.fits(); at += hn::MaxLanes(d)) {
    const auto value = hn::LoadU(d, values + at);
    const auto magnitude = hn::Abs(value);
    const auto small = hn::And(hn::Lt(magnitude, limit), hn::Gt(magnitude, hn::Zero(d)));
    held += hn::CompressStore(value, small, d, picked.data() + held);
    if (held + hn::MaxLanes(d) <= kPicked) continue;
    uniform_picked(picked.data(), held, grid);
    held = 0;
  }
  if (grid.fits()) uniform_picked(picked.data(), held, grid);
}

/// erf(z) for |z| < 0.09, by its series: the next term is below 3e-17.
HWY_INLINE DoubleVector small_erf(DoubleVector z) {
  const DoubleVector square = hn::Mul(z, z);
  DoubleVector sum = set(-1.0 / 1320);
  for (const double c : {1.0 / 216, -1.0 / 42, 1.0 / 10, -1.0 / 3, 1.0}) {
    sum = hn::Add(hn::Mul(sum, square), set(c));
  }
  return hn::Mul(hn::Mul(sum, z), set(2 * std::numbers::inv_sqrtpi));
}

void truncated_picked(const float* picked, std::size_t count, TruncatedGrid& grid) {
  const std::size_t width = hn::MaxLanes(Floats());
  // The share below w is (erf + 1) / 2; half of it in steps of 2^-24 is whole and can be left out.
  const DoubleVector scale = set(1 / (grid.deviation * std::numbers::sqrt2));
  std::size_t matched = 0;
  for (std::size_t at = 0; at < count; at += width) {
    const DoubleVector w = hn::PromoteTo(Doubles(), hn::LoadU(Floats(), picked + at));
    const DoubleVector k = hn::Mul(small_erf(hn::Mul(w, scale)), set(0x1p23));
    const DoubleVector off = hn::Abs(hn::Sub(k, hn::Round(k)));
    const auto here = hn::FirstN(Doubles(), std::min(count - at, width));
    matched += hn::CountTrue(Doubles(), hn::And(here, hn::Lt(off, set(kNear))));
  }
  grid.tested += count;
  grid.matched += matched;
  grid.failed = grid.failed || (count >= kStretch && 2 * matched < count);
}

/// `count` is a multiple of 8.
void truncated_values(const float* values, std::size_t count, TruncatedGrid& grid) {
  const Eight d;
  const auto limit = hn::Set(d, static_cast<float>(grid.deviation / 8));
  Picked picked{};
  std::size_t held = 0;
  for (std::size_t at = 0; at < count && !grid.failed; at += hn::MaxLanes(d)) {
    const auto value = hn::LoadU(d, values + at);
    const auto magnitude = hn::Abs(value);
    const auto small = hn::And(hn::Lt(magnitude, limit), hn::Gt(magnitude, hn::Zero(d)));
    held += hn::CompressStore(value, small, d, picked.data() + held);
    if (held + hn::MaxLanes(d) <= kPicked) continue;
    truncated_picked(picked.data(), held, grid);
    held = 0;
  }
  if (!grid.failed) truncated_picked(picked.data(), held, grid);
}

/// atan2(y, x) for 0 < y < x. Rational approximation of the Cephes library, right to 2 units in the
/// last place, behind atan(t) = pi/4 + atan((t - 1) / (t + 1)) for t beyond 0.66.
HWY_INLINE DoubleVector angle(DoubleVector x, DoubleVector y) {
  const auto steep = hn::Gt(y, hn::Mul(x, set(0.66)));
  const DoubleVector t =
      hn::Div(hn::IfThenElse(steep, hn::Sub(y, x), y), hn::IfThenElse(steep, hn::Add(y, x), x));
  const DoubleVector z = hn::Mul(t, t);
  DoubleVector p = set(-8.750608600031904122785e-1);
  for (const double c : {-1.615753718733365076637e1, -7.500855792314704667340e1,
                         -1.228866684490136173410e2, -6.485021904942025371773e1}) {
    p = hn::Add(hn::Mul(p, z), set(c));
  }
  DoubleVector q = hn::Add(z, set(2.485846490142306297962e1));
  for (const double c : {1.650270098316988542046e2, 4.328810604912902668951e2,
                         4.853903996359136964868e2, 1.945506571482613964425e2}) {
    q = hn::Add(hn::Mul(q, z), set(c));
  }
  const DoubleVector rest = hn::Add(hn::Mul(t, hn::Div(hn::Mul(z, p), q)), t);
  return hn::IfThenElse(steep, hn::Add(rest, set(std::numbers::pi / 4)), rest);
}

void angles_picked(const float* x, const float* y, std::size_t count, PairAngles& angles) {
  const std::size_t width = hn::MaxLanes(Floats());
  const DoubleVector to_steps = set(0x1p24 / (2 * std::numbers::pi));
  std::size_t near = 0, not_far = 0;
  for (std::size_t at = 0; at < count; at += width) {
    const DoubleVector k = hn::Mul(angle(hn::PromoteTo(Doubles(), hn::LoadU(Floats(), x + at)),
                                         hn::PromoteTo(Doubles(), hn::LoadU(Floats(), y + at))),
                                   to_steps);
    const DoubleVector off = hn::Abs(hn::Sub(k, hn::Round(k)));
    const auto here = hn::FirstN(Doubles(), std::min(count - at, width));
    near += hn::CountTrue(Doubles(), hn::And(here, hn::Lt(off, set(kNear))));
    not_far += hn::CountTrue(Doubles(), hn::And(here, hn::Lt(off, set(kFar))));
  }
  angles.pairs += count;
  angles.near += near;
  angles.far += count - not_far;
}

void pair_values(const float* values, std::size_t groups, PairAngles& angles) {
  const Eight d;
  Picked x{}, y{};
  std::size_t held = 0;
  for (std::size_t group = 0; group < groups; ++group, values += 16) {
    for (std::size_t at = 0; at < 8; at += hn::MaxLanes(d)) {
      const auto first = hn::LoadU(d, values + at);
      const auto second = hn::LoadU(d, values + at + 8);
      const auto pick = hn::And(hn::Lt(second, first), hn::Gt(second, hn::Zero(d)));
      hn::CompressStore(first, pick, d, x.data() + held);
      held += hn::CompressStore(second, pick, d, y.data() + held);
    }
    if (held + 8 <= kPicked) continue;
    angles_picked(x.data(), y.data(), held, angles);
    held = 0;
  }
  angles_picked(x.data(), y.data(), held, angles);
}

/// `count` is a multiple of 8.
std::uint64_t half_rounded(const float* values, std::size_t count) {
  const Eight d;
  const hn::RebindToUnsigned<Eight> bits;
  const auto low = hn::Set(bits, 0x1fffu);
  std::uint64_t found = 0;
  for (std::size_t at = 0; at < count; at += hn::MaxLanes(d)) {
    const auto word = hn::BitCast(bits, hn::LoadU(d, values + at));
    found += hn::CountTrue(bits, hn::Eq(hn::And(word, low), hn::Zero(bits)));
  }
  return found;
}

}  // namespace HWY_NAMESPACE
}  // namespace torchvet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace torchvet {
namespace {

HWY_EXPORT(uniform_values);
HWY_EXPORT(truncated_values);
HWY_EXPORT(pair_values);
HWY_EXPORT(half_rounded);

/// The last few elements, filled up with zeros. They may be unaligned.
std::array<float, 8> filled_up(const float* values, std::size_t count) {
  std::array<float, 8> rest{};
  std::memcpy(rest.data(), static_cast<const void*>(values), count * sizeof(float));
  return rest;
}

}  // namespace

void test_uniform(const float* values, std::size_t count, UniformGrid& grid) {
  const std::size_t whole = count / 8 * 8;
  HWY_DYNAMIC_DISPATCH(uniform_values)(values, whole, grid);
  if (whole == count || !grid.fits()) return;
  const std::array<float, 8> rest = filled_up(values + whole, count - whole);
  HWY_DYNAMIC_DISPATCH(uniform_values)(rest.data(), rest.size(), grid);
}

void test_truncated(const float* values, std::size_t count, TruncatedGrid& grid) {
  const std::size_t whole = count / 8 * 8;
  HWY_DYNAMIC_DISPATCH(truncated_values)(values, whole, grid);
  if (whole == count || grid.failed) return;
  const std::array<float, 8> rest = filled_up(values + whole, count - whole);
  HWY_DYNAMIC_DISPATCH(truncated_values)(rest.data(), rest.size(), grid);
}

void test_pairs(const float* values, std::size_t groups, PairAngles& angles) {
  HWY_DYNAMIC_DISPATCH(pair_values)(values, groups, angles);
}

std::uint64_t count_half_rounded(const float* values, std::size_t count) {
  const std::size_t whole = count / 8 * 8;
  std::uint64_t found = HWY_DYNAMIC_DISPATCH(half_rounded)(values, whole);
  if (whole == count) return found;
  const std::array<float, 8> rest = filled_up(values + whole, count - whole);
  found += HWY_DYNAMIC_DISPATCH(half_rounded)(rest.data(), rest.size());
  return found - (rest.size() - (count - whole));
}

}  // namespace torchvet
#endif
