#pragma once

#include <set>
#include <string>

#include "engine/policy.h"
#include "engine/report.h"

namespace torchvet {

/// Marks the findings that the policy's baseline accepts and no suppression does, and writes down
/// which entries are stale: their artifact was looked at as a whole, by their rule, and the finding
/// is gone; or their artifact is.
void apply_baseline(Report& report, const Policy& policy);

/// A baseline of everything that the report found and no suppression accepts.
[[nodiscard]] Baseline baseline_of(const Report& report);

/// The file: JSON with one entry a line, sorted by artifact, code, place and fingerprint, so that
/// equal findings make equal files and a difference reads well. Ended by a newline.
[[nodiscard]] std::string baseline_text(const Baseline& baseline);

}  // namespace torchvet
