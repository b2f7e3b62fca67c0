#pragma once

#include <cmath>
#include <optional>

namespace torchvet {

/// How the numbers of one tensor in two neighbouring checkpoints compare. Norms are Euclidean, over
/// the elements that are finite in both.
struct PairFacts {
  double before_squared = 0;      ///< |before|^2
  double after_squared = 0;       ///< |after|^2
  double difference_squared = 0;  ///< |after - before|^2
  double dot = 0;                 ///< before . after

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

}  // namespace torchvet
