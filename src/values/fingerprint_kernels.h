#pragma once

#include <cstddef>
#include <cstdint>

namespace torchvet {

/// Does what was seen so far fit the grid of `uniform_(-bound, bound)`?
struct UniformGrid {
  float bound = 0;
  std::uint64_t tested = 0;
  bool fused = true;    ///< every tested element fits a build with fused multiply-add
  bool unfused = true;  ///< ... a build that rounds after the multiplication
  [[nodiscard]] bool fits() const { return fused || unfused; }
};

/// Tests the elements with 0 < |w| < bound/4, as long as they fit.
void test_uniform(const float* values, std::size_t count, UniformGrid& grid);

/// Angles of the pairs of `normal_`, in steps of the generator.
struct PairAngles {
  std::uint64_t pairs = 0;
  std::uint64_t near = 0;  ///< less than 0.1 from a whole step
  std::uint64_t far = 0;   ///< 0.3 and more from one
};

/// `groups` groups of 16 elements: j and j+8 are a pair, used when 0 < second < first.
void test_pairs(const float* values, std::size_t groups, PairAngles& angles);

/// Does what was seen so far fit `trunc_normal_` with this standard deviation, as torch drew it
/// through the inverse error function?
struct TruncatedGrid {
  double deviation = 0;
  std::uint64_t tested = 0;
  std::uint64_t matched = 0;
  bool failed = false;  ///< in some stretch less than half fitted: no further element was tested
};

/// Tests the elements with 0 < |w| < deviation/8, until the grid has failed.
void test_truncated(const float* values, std::size_t count, TruncatedGrid& grid);

/// Elements that float16 could hold too, or float16's range apart: the low 13 bits are zero. Zeros
/// are among them.
[[nodiscard]] std::uint64_t count_half_rounded(const float* values, std::size_t count);

}  // namespace torchvet
