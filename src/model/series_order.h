#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "model/artifact.h"
#include "model/series_counters.h"

namespace torchvet {

/// All that a checkpoint says of its place in the run.
struct SeriesPlace {
  std::string path;
  std::array<std::optional<double>, kStepKeys.size()> stored;  ///< parallel to `kStepKeys`
  std::optional<double> optimizer_step;  ///< the highest that its optimizers count
};

/// The optimizer's step is known only where the values of `place_plan` were computed.
[[nodiscard]] SeriesPlace place_of(const Artifact& artifact);
[[nodiscard]] ValuePlan place_plan(const Artifact& artifact);

struct SeriesOrder {
  std::vector<std::size_t> index;            ///< of the places, oldest first
  std::vector<std::optional<double>> steps;  ///< parallel to `index`
  std::string text;                          ///< "`global_step` in the files"
};

/// Puts checkpoints in order. The place of one is, whichever all of them have and no two share: a
/// number under a usual name in the file (global_step, step, iteration, epoch, ...), the step of
/// the optimizer, a number in the name of the file. Without such a number the first of these in the
/// files that not all share: those with the same one stay in the order given, as all do without
/// any.
[[nodiscard]] SeriesOrder order_series(const std::vector<SeriesPlace>& places);

}  // namespace torchvet
