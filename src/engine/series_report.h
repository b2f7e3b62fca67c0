#pragma once

#include <vector>

#include "engine/report.h"
#include "engine/verdict.h"
#include "model/series.h"

namespace torchvet {

/// The checkpoints, the intervals and the matrix of updates, for the report.
[[nodiscard]] ReportedSeries report_of(const Series& series);

/// The artifacts of a series, each with the findings that name it.
[[nodiscard]] std::vector<Checked> assign_findings(std::vector<ReportedArtifact> artifacts,
                                                   std::vector<Finding> findings);

}  // namespace torchvet
