#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "model/series.h"

namespace torchvet {

/// A quantity of the parameter matrices of a model in one interval of a series, so that one of them
/// can be held to the others. Matrices that did not move, or of which it is not known, are left
/// out.
class MatrixPeers {
 public:
  /// What to take of the comparison of a matrix with itself before: its growth, its cosine.
  using Quantity = float TrackPoint::*;

  MatrixPeers(const Series& series, std::size_t to, Quantity quantity);

  [[nodiscard]] const std::vector<std::pair<const Track*, double>>& all() const { return all_; }
  /// The median of the others for a matrix of this value; nothing when there are fewer than two.
  [[nodiscard]] std::optional<double> median_without(double value) const;

 private:
  std::vector<std::pair<const Track*, double>> all_;
  std::vector<double> sorted_;
};

}  // namespace torchvet
