#include "model/series.h"

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
    case StaticCause::kRounding:
      return "updates may be lost in the rounding of its element type";
  }
  return "the files do not say why";
}

Movement movement(const Track& track, std::size_t to) {
  const std::optional<bool>& moved = track.points[to].moved;
  if (!moved) return Movement::kUnknown;
  return *moved ? Movement::kMoved : Movement::kSame;
}

Movement movement(const Track& track) {
  Movement whole = Movement::kSame;
  for (std::size_t to = 1; to < track.points.size(); ++to) {
    const Movement one = movement(track, to);
    if (one == Movement::kMoved) return Movement::kMoved;
    if (one == Movement::kUnknown) whole = Movement::kUnknown;
  }
  return whole;
}

std::optional<double> relative_update(const Track& track, std::size_t to) {
  if (movement(track, to) == Movement::kSame) return 0.0;
  const std::optional<PairFacts>& since = track.points[to].since;
  return since ? since->relative_update() : std::nullopt;
}

bool was_replaced(std::uint64_t elements, const std::vector<std::int64_t>& shape,
                  const PairFacts& since) {
  constexpr double kReplaced = 0.3;
  constexpr std::uint64_t kFewest = 256;
  const std::optional<double> cosine = since.cosine();
  return cosine && *cosine <= kReplaced && shape.size() > 1 && elements >= kFewest;
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
