#pragma once

#include "engine/report.h"
#include "model/contract.h"

namespace torchvet {

/// What differs between two files, for the report.
[[nodiscard]] ReportedDiff report_of(const Expectation& expectation, const Comparison& comparison,
                                     const Artifact& artifact);

}  // namespace torchvet
