#pragma once

#include <cmath>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>

#include "model/storage.h"

namespace torchvet {

/// How the numbers of one tensor in two neighbouring checkpoints compare. Norms are Euclidean, over
/// the elements that are finite in both.
struct PairFacts {
  double before_squared = 0;      ///< |before|^2
  double after_squared = 0;       ///< |after|^2
  double difference_squared = 0;  ///< |after - before|^2
  double dot = 0;                 ///< before . after

  void add(const PairFacts& more) {
    before_squared += more.before_squared;
    after_squared += more.after_squared;
    difference_squared += more.difference_squared;
    dot += more.dot;
  }

  /// |after - before| / |before|; nothing when there was nothing before.
  [[nodiscard]] std::optional<double> relative_update() const {
    if (!(before_squared > 0)) return std::nullopt;
    return std::sqrt(difference_squared / before_squared);
  }
  /// |after| / |before|
  [[nodiscard]] std::optional<double> growth() const {
    if (!(before_squared > 0)) return std::nullopt;
    return std::sqrt(after_squared / before_squared);
  }
  /// Of the angle between the two; nothing when one is zero.
  [[nodiscard]] std::optional<double> cosine() const {
    if (!(before_squared > 0) || !(after_squared > 0)) return std::nullopt;
    return dot / std::sqrt(before_squared) / std::sqrt(after_squared);
  }
};

/// A tensor in one checkpoint and what stands in its place in the next.
struct TensorPair {
  TensorId before = 0, after = 0;
  [[nodiscard]] auto operator<=>(const TensorPair&) const = default;
};

/// What became of a tensor from one checkpoint to the next.
struct ChangeFacts {
  bool same = true;               ///< its logical values are bit by bit what they were
  std::uint64_t not_finite = 0;   ///< NaN and infinities after it
  std::optional<PairFacts> sums;  ///< floating point of 64, 32 or 16 bits, if there is an element
};

/// Of the pairs that could be compared.
using Changes = std::map<TensorPair, ChangeFacts>;

}  // namespace torchvet
