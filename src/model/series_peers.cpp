#include "model/series_peers.h"

#include <algorithm>
#include <cmath>

namespace torchvet {
namespace {

constexpr std::size_t kFewestOthers = 2;

}  // namespace

MatrixPeers::MatrixPeers(const Series& series, std::size_t to, Quantity quantity) {
  for (const Track& track : series.tracks) {
    const TrackPoint& point = track.points[to];
    if (!track.is_parameter || point.moved != Movement::kMoved) continue;
    if (series.form(point).shape.size() < 2 || std::isnan(point.*quantity)) continue;
    all_.emplace_back(&track, point.*quantity);
    sorted_.push_back(point.*quantity);
  }
  std::sort(sorted_.begin(), sorted_.end());
}

std::optional<double> MatrixPeers::median_without(double value) const {
  if (sorted_.size() < kFewestOthers + 1) return std::nullopt;
  const auto own = std::lower_bound(sorted_.begin(), sorted_.end(), value) - sorted_.begin();
  const auto middle = static_cast<std::ptrdiff_t>((sorted_.size() - 1) / 2);
  return sorted_[static_cast<std::size_t>(middle < own ? middle : middle + 1)];
}

}  // namespace torchvet
