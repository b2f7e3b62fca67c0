#include "model/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "model/model_state.h"

namespace torchvet {

std::string_view text_of(StaticCause cause) {
  switch (cause) {
    case StaticCause::kUnknown:
      return "the files do not say why";
    case StaticCause::kFrozen:
      return "it is frozen: requires_grad is False";
    case StaticCause::kNotInOptimizer:
      return "the optimizer does not list it";
    case StaticCause::kNoGradient:
      return "the optimizer lists it and has no state for it: no gradient ever reached it";
    case StaticCause::kZeroGradient:
      return "its second moments are all zero: every gradient was zero";
    case StaticCause::kZeroLearningRate:
      return "its learning rate is 0";
    case StaticCause::kNeverChanged:
      return "the optimizer lists it and never changed it: its gradients were none or zero";
    case StaticCause::kRounding:
      return "updates may be lost in the rounding of its element type";
  }
  return "the files do not say why";
}

Movement movement(const Track& track, std::size_t to) { return track.points[to].moved; }

Movement movement(const Track& track) {
  Movement whole = Movement::kSame;
  for (std::size_t to = 1; to < track.points.size(); ++to) {
    const Movement one = movement(track, to);
    if (one == Movement::kMoved) return Movement::kMoved;
    if (one == Movement::kUnknown) whole = Movement::kUnknown;
  }
  return whole;
}

bool was_replaced(std::uint64_t elements, const std::vector<std::int64_t>& shape,
                  const PairFacts& since) {
  constexpr double kReplaced = 0.3;
  constexpr std::uint64_t kFewest = 256;
  constexpr double kZero = 1e-6;  // root mean square below which a matrix counts as zero
  const std::optional<double> cosine = since.cosine();
  return cosine && *cosine <= kReplaced && shape.size() > 1 && elements >= kFewest &&
         since.before_squared > kZero * kZero * static_cast<double>(elements);
}

bool is_early(const Series& series, std::size_t to) {
  const std::optional<double>& before = series.snapshots[to - 1].step;
  const std::optional<double>& after = series.snapshots[to].step;
  return before && after && *after - *before >= *before;
}

std::string span_text(const Series& series) {
  const auto& first = series.snapshots.front().step;
  const auto& last = series.snapshots.back().step;
  return first && last ? fmt::format("from {} to {}, {}", *first, *last, series.order)
                       : "in " + series.order;
}

bool same_place(const Series& series, std::size_t to) {
  const Series::Snapshot &before = series.snapshots[to - 1], &after = series.snapshots[to];
  if (before.step && before.step == after.step) return true;
  for (const std::string_view key : {"global_step", "num_updates"}) {
    const Counter* then = find_counter(before.counters, Counter::Kind::kStored, key);
    const Counter* now = find_counter(after.counters, Counter::Kind::kStored, key);
    if (then && now) return then->value == now->value;
  }
  return false;
}

bool matrices_moved(const Series& series, std::size_t to) {
  return std::any_of(series.tracks.begin(), series.tracks.end(), [&](const Track& track) {
    const TrackPoint& point = track.points[to];
    return track.is_parameter && point.moved == Movement::kMoved &&
           series.form(point).shape.size() > 1;
  });
}

bool is_matrix(const Series& series, const Track& track) {
  const TrackPoint& newest = track.points.back();
  return newest.form && series.form(newest).shape.size() > 1;
}

bool training_advanced(const Series& series) {
  std::vector<double> steps;
  for (const Series::Snapshot& snapshot : series.snapshots) {
    if (snapshot.step) steps.push_back(*snapshot.step);
  }
  const bool rise =
      std::adjacent_find(steps.begin(), steps.end(), std::greater_equal<>()) == steps.end();
  if (steps.size() == series.snapshots.size() && rise) return true;
  return std::any_of(series.tracks.begin(), series.tracks.end(), [](const Track& track) {
    return leaf_of(track.name) == "num_batches_tracked" && movement(track) == Movement::kMoved;
  });
}

}  // namespace torchvet
