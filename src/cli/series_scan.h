#pragma once

#include <string>
#include <vector>

#include "cli/deadline.h"
#include "cli/inputs.h"
#include "cli/settings.h"
#include "engine/report.h"
#include "model/series.h"
#include "terminal/progress.h"

namespace torchvet {

/// A series of checkpoints that was read, and what is to be said of each of its files.
struct ScannedSeries {
  Series series;
  std::vector<ReportedArtifact> artifacts;  ///< parallel to the inputs
};

/// Reads a series: first what tells the place of each checkpoint in its run, then, oldest first,
/// the numbers of each beside those of the one before. Two checkpoints are held at a time, the
/// metadata of a third, and the rest of the series as a few numbers for each tensor.
[[nodiscard]] ScannedSeries scan_series(const std::vector<Input>& inputs, const Settings& settings);

}  // namespace torchvet
