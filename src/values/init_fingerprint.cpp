// Does a tensor still hold what torch's generator drew?
//
// A random initialisation leaves a mark that is far stronger than its distribution: the numbers lie
// on a grid, and the first gradient step takes them off it.
//
// Uniform. `uniform_(-b, b)` in float32 draws an integer k in [0, 2^24) and stores k * 2^-24 * R -
// b with R = 2b. The grid step is R * 2^-24; near zero float32 is much finer than that, so among
// the small elements (0 < |w| < b/4) an untouched value is one of few representable ones. Recover
// k = round((w + b) / R * 2^q), rebuild the number and compare bits. Two forms of the last
// operation exist, and a file may come from either:
//     fused    float32(k * 2^-25 * R - b), one rounding   (AVX2, AVX-512; q = 25 holds the grid of
//              the CPU and the finer one of a GPU, which was emulated only, not seen on hardware)
//     unfused  float32(float32(k * 2^-24 * R) - b)        (builds without fused multiply-add)
// Example: Linear(16, 4) has b = 1/sqrt(16) = 0.25; R = 0.5; k = 8400000 gives 0.00034332275390625.
// A trained element matches by chance with a probability below 0.19; all elements of at least 12
// must match, so a chance hit has 2e-9 for each bound tried (five at most). Values that are
// coarse for another reason are kept out by the edge test: the largest |w| must lie within
// 1 - 12/n and 1 of b, where n draws from U(-b, b) put it. Zeros say nothing (0 is on the grid).
//
// Normal. `normal_` fills groups of 16: elements j and j+8 are r*cos(t) and r*sin(t), and t is
// 2*pi*k*2^-24. The angle of the pair does not depend on the standard deviation, so one test serves
// them all. Only pairs with 0 < y < x are used, where float32 resolves the angle best: about one
// sixteenth of the elements. For an untouched tensor k is near an integer:
//     |k - round(k)| < 0.1 for 84 to 88 percent of the pairs, 20 percent when trained;
//     |k - round(k)| >= 0.3 for at most 0.1 percent, 40 percent when trained.
// Both are required (0.60 and 0.01, from 48 pairs on). The second one is for embeddings: when a
// quarter of the rows has been trained, the first share is still 0.68, the second 0.10. A tensor of
// which less than one row in forty was trained still passes. Multiplying all values by one number,
// as weight decay does where no gradient arrives, keeps the angles and so the mark.
//
// Truncated normal. Before 2.13 torch drew `trunc_normal_` from a uniform u by the inverse error
// function: w = sqrt(2) * std * erfinv(2u - 1), with u on the grid of 2^-24. So the share of the
// distribution that lies below w, (erf(w / (std * sqrt(2))) + 1) / 2, is a whole number of steps;
// it is computed from the elements with 0 < |w| < std/8, where float32 resolves it to a twentieth
// of a step. The standard deviation must be known: those in use (0.02, 0.01, 0.006, 0.05, 0.1) are
// tried where the measured one is within a tenth. |k - round(k)| < 0.1 must hold for 95 percent of
// at least 16 elements (20 percent when trained), and for half of any 64 in a row. Example: std =
// 0.02 and u = 0.5 + 3 * 2^-24 give w = 8.964e-9. Since 2.13 trunc_normal_ is a normal_ of which
// what lies outside is drawn again: the mark of normal_ is found there.
//
// Values that were rounded to float16 or bfloat16 and back lie on every grid: when more than half
// of the non-zero elements have that form, nothing is said. Below 64 elements (uniform) and 1024
// (normal) neither test has enough to go on. Silent by nature: orthogonal_, custom gains or bounds,
// draws in float64, draws that were transposed or averaged, uniform ones that were scaled, normal_
// on a GPU, whose layout is another, and old truncated normals that are cut near the middle (at two
// standard deviations, say; the default cuts nothing at all) or were scaled after the draw.
//
// Checked against torch 1.13.1, 2.4.1 and 2.13.0 on CPU with AVX-512, AVX2 and scalar kernels.
// Freshly made tensors of 256 elements and more: all found (uniform); of 1024 and more: all
// (normal; truncated normal of 2.4.1). Of 256 to 511 elements 98 in 100 (truncated normal). False
// hits: none in 3456 trained tensors (10 steps or more; 720 for truncated normals) and none in 1267
// published ones (782).
//
// A mark alone is no accusation: random features are meant to stay as they were drawn, and a file
// saved before training bears it everywhere. Those guards are in model/never_trained.h.
#include "values/init_fingerprint.h"

#include <algorithm>
#include <cmath>

namespace torchvet {
namespace {

constexpr std::uint64_t kMinUniformCount = 64;
constexpr std::uint64_t kMinUniformTested = 12;
constexpr double kEdgeAllowance = 12;  ///< n(1 - max|w|/b) of n uniform draws: exp(-12) exceed it
constexpr double kEdgeRounding = 1e-6;
constexpr std::uint64_t kMinNormalCount = 1024;
constexpr std::uint64_t kMinPairs = 48;
constexpr std::uint64_t kGroup = 16;  ///< elements normal_ draws together
constexpr double kMinNearShare = 0.60;
constexpr std::uint64_t kFarOneIn = 100;  ///< at most one pair in this many is far
constexpr double kFarAllowance = 3;       ///< for few pairs, where a share says little
constexpr std::uint64_t kMinTruncatedCount = 256;
constexpr std::uint64_t kMinTruncatedTested = 16;
constexpr double kMinTruncatedShare = 0.95;
constexpr double kDeviationAllowance = 0.10;
constexpr double kDeviations[] = {0.02, 0.01, 0.006, 0.05, 0.1};

/// Of all elements; they are finite.
double deviation_of(const Numbers& numbers) {
  const double count = static_cast<double>(numbers.count);
  const double mean = static_cast<double>(numbers.sum) / count;
  return std::sqrt(std::max(0.0, static_cast<double>(numbers.squares) / count - mean * mean));
}

}  // namespace

InitFingerprintTest::InitFingerprintTest(std::uint64_t count, const std::vector<double>& bounds)
    : count_(count) {
  if (count < kMinUniformCount) return;
  bounds_ = bounds;
  for (const double bound : bounds) grids_.push_back({.bound = static_cast<float>(bound)});
  if (count < kMinTruncatedCount) return;
  for (const double deviation : kDeviations) truncated_.push_back({.deviation = deviation});
}

void InitFingerprintTest::update(const std::uint8_t* bytes, std::uint64_t size) {
  const std::uint64_t count = size / sizeof(float);
  const float* values = reinterpret_cast<const float*>(bytes);
  half_rounded_ += count_half_rounded(values, count);
  for (UniformGrid& grid : grids_) {
    if (grid.fits()) test_uniform(values, count, grid);
  }
  for (TruncatedGrid& grid : truncated_) {
    if (!grid.failed) test_truncated(values, count, grid);
  }
  if (count_ >= kMinNormalCount) test_pairs(values, count / kGroup, angles_);
}

void InitFingerprintTest::merge(const InitFingerprintTest& part) {
  half_rounded_ += part.half_rounded_;
  for (std::size_t i = 0; i < grids_.size(); ++i) {
    grids_[i].tested += part.grids_[i].tested;
    grids_[i].fused = grids_[i].fused && part.grids_[i].fused;
    grids_[i].unfused = grids_[i].unfused && part.grids_[i].unfused;
  }
  for (std::size_t i = 0; i < truncated_.size(); ++i) {
    truncated_[i].tested += part.truncated_[i].tested;
    truncated_[i].matched += part.truncated_[i].matched;
    truncated_[i].failed = truncated_[i].failed || part.truncated_[i].failed;
  }
  angles_.pairs += part.angles_.pairs;
  angles_.near += part.angles_.near;
  angles_.far += part.angles_.far;
}

std::optional<FingerprintEvidence> InitFingerprintTest::finish(const Numbers& numbers) const {
  const std::uint64_t nonzero = count_ - numbers.zero;
  if (count_ < kMinUniformCount || (half_rounded_ - numbers.zero) * 2 > nonzero) {
    return std::nullopt;
  }
  FingerprintEvidence evidence;
  if (numbers.nan + numbers.positive_infinity + numbers.negative_infinity > 0) return evidence;
  const double largest = std::max(std::fabs(numbers.min), std::fabs(numbers.max));
  for (std::size_t i = 0; i < grids_.size(); ++i) {
    const double edge = largest / static_cast<double>(grids_[i].bound);
    const bool reaches_edge =
        edge >= 1 - kEdgeAllowance / static_cast<double>(count_) && edge <= 1 + kEdgeRounding;
    if (grids_[i].tested >= kMinUniformTested && grids_[i].fits() && reaches_edge) {
      evidence.kind = InitFingerprint::kUniform;
      evidence.bound = bounds_[i];
      evidence.matched = evidence.tested = grids_[i].tested;
      return evidence;
    }
  }
  const double pairs = static_cast<double>(angles_.pairs);
  if (angles_.pairs >= kMinPairs && static_cast<double>(angles_.near) >= kMinNearShare * pairs &&
      static_cast<double>(angles_.far) <= kFarAllowance + pairs / kFarOneIn) {
    evidence.kind = InitFingerprint::kNormal;
    evidence.matched = angles_.near;
    evidence.tested = angles_.pairs;
    return evidence;
  }
  for (const TruncatedGrid& grid : truncated_) {
    const double share = static_cast<double>(grid.matched) / static_cast<double>(grid.tested);
    if (grid.failed || grid.tested < kMinTruncatedTested || share < kMinTruncatedShare) continue;
    if (std::fabs(deviation_of(numbers) / grid.deviation - 1) > kDeviationAllowance) continue;
    evidence.kind = InitFingerprint::kTruncatedNormal;
    evidence.bound = grid.deviation;
    evidence.matched = grid.matched;
    evidence.tested = grid.tested;
    return evidence;
  }
  return evidence;
}

}  // namespace torchvet
