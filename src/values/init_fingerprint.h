#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/value_facts.h"

namespace torchvet {

/// Recognises, in one pass over a float32 tensor, values that are bit for bit what torch's CPU
/// generator draws. What it tests and why is told at the top of init_fingerprint.cpp.
class InitFingerprintTest {
 public:
  /// `count`: logical elements; `bounds`: candidates for uniform_, see `candidate_bounds`.
  InitFingerprintTest(std::uint64_t count, const std::vector<double>& bounds);

  /// float32 bytes in logical order. Every block except the last holds a multiple of 16 elements.
  void update(const std::uint8_t* bytes, std::uint64_t size);

  /// Nothing when it cannot be told: fewer than 64 elements, or values rounded to 16 bits.
  [[nodiscard]] std::optional<FingerprintEvidence> finish() const;

 private:
  struct Grid {
    double bound = 0;  ///< as computed from the shape
    float narrow = 0;  ///< rounded to float32, as uniform_ receives it
    std::uint64_t tested = 0;
    bool fused = true;    ///< every tested element fits a build with fused multiply-add
    bool unfused = true;  ///< ... a build that rounds after the multiplication
  };

  void add_uniform(float value);
  void add_normal_group(const float* group);

  std::uint64_t count_;
  std::vector<Grid> grids_;
  bool finite_ = true;
  float largest_ = 0;
  std::uint64_t nonzero_ = 0;
  std::uint64_t half_rounded_ = 0;
  std::uint64_t pairs_ = 0;
  std::uint64_t pairs_near_ = 0;
  std::uint64_t pairs_far_ = 0;
};

}  // namespace torchvet
