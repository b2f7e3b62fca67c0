#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "engine/report.h"

namespace torchvet {

/// What decides between pass and fail.
struct Policy {
  std::vector<std::pair<const Rule*, Severity>> severities;  ///< overrides; the last one wins
  Confidence min_confidence = Confidence::kLow;              ///< findings below are dropped
  std::optional<Severity> fail_on = Severity::kError;        ///< none: findings never gate
};

/// One artifact with what was found in it.
struct Checked {
  ReportedArtifact artifact;
  std::vector<Finding> findings;
};

/// Puts everything that was found in order: applies the policy, sorts, counts, fingerprints and
/// judges. Gating findings win over gaps, a file that could not be read at all over both. The
/// caller fills in what the run itself knows (arguments, times, exit code).
[[nodiscard]] Report judge(std::vector<Checked> checked, std::vector<const Rule*> rules,
                           const Policy& policy);

}  // namespace torchvet
