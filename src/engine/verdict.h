#pragma once

#include <vector>

#include "engine/policy.h"
#include "engine/report.h"

namespace torchvet {

/// One artifact with what was found in it.
struct Checked {
  ReportedArtifact artifact;
  std::vector<Finding> findings;
};

/// Puts everything that was found in order: applies the policy, sorts, fingerprints, marks what was
/// accepted before, counts and judges. Gating findings win over gaps, a file that could not be read
/// at all over both. The caller fills in what the run itself knows (arguments, times, exit code).
[[nodiscard]] Report judge(std::vector<Checked> checked, std::vector<const Rule*> rules,
                           const Policy& policy);

/// What the findings and gaps of a report add up to.
[[nodiscard]] Counts counts_of(const Report& report);
[[nodiscard]] Outcome outcome_of(const Report& report);

}  // namespace torchvet
