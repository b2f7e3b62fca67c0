#pragma once

#include "engine/report.h"
#include "model/series.h"

namespace torchvet {

/// The checkpoints, the intervals and the matrix of updates, for the report.
[[nodiscard]] ReportedSeries report_of(const Series& series);

}  // namespace torchvet
