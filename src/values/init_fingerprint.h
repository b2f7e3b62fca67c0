#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/value_facts.h"
#include "values/fingerprint_kernels.h"
#include "values/numbers.h"

namespace torchvet {

/// Recognises, in one pass over a float32 tensor, values that are bit for bit what torch's CPU
/// generator draws. What it tests and why is told at the top of init_fingerprint.cpp. Everything in
/// it is a count, so parts of a tensor can be looked at in any order.
class InitFingerprintTest {
 public:
  /// `count`: logical elements; `bounds`: candidates for uniform_, see `candidate_bounds`.
  InitFingerprintTest(std::uint64_t count, const std::vector<double>& bounds);

  /// Some float32 bytes in logical order, which begin at an element whose number is a multiple of
  /// 16 and end at one or with the tensor.
  void update(const std::uint8_t* bytes, std::uint64_t size);

  /// Takes over what another part of the same tensor gave.
  void merge(const InitFingerprintTest& part);

  /// `numbers`: of the whole tensor. Nothing when it cannot be told: fewer than 64 elements, or
  /// values rounded to 16 bits.
  [[nodiscard]] std::optional<FingerprintEvidence> finish(const Numbers& numbers) const;

 private:
  std::uint64_t count_;
  std::vector<double> bounds_;  ///< as computed from the shape, one for each grid
  std::vector<UniformGrid> grids_;
  std::vector<TruncatedGrid> truncated_;
  std::uint64_t half_rounded_ = 0;  ///< zeros included
  PairAngles angles_;
};

}  // namespace torchvet
