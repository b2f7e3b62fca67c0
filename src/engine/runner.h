#pragma once

#include <span>
#include <vector>

#include "core/limits.h"
#include "engine/report.h"
#include "rule/rule.h"

namespace torchvet {

/// The dearest thing that some of the rules need.
[[nodiscard]] bool needs_graph(std::span<const Rule* const> rules);

/// The union of what the rules want to know about the numbers of this artifact, sorted by tensor,
/// each tensor once. A rule that fails to say leaves a gap.
[[nodiscard]] ValuePlan plan_values(std::span<const Rule* const> rules, Artifact& artifact);

/// Runs the rules in order of their codes over one prepared artifact; series rules are passed over.
/// Fills each finding's rule, artifact, and the sentences that it left to its rule. A rule that
/// throws, or that finds more than `limits.findings_per_rule`, leaves a gap on the artifact.
[[nodiscard]] std::vector<Finding> run_rules(std::span<const Rule* const> rules, Artifact& artifact,
                                             const Intent& intent, const Limits& limits);

/// The same for series rules; `gaps` gets what went wrong. A finding that names no artifact is
/// given the newest one.
[[nodiscard]] std::vector<Finding> run_series_rules(std::span<const Rule* const> rules,
                                                    const Series& series, const Intent& intent,
                                                    const Limits& limits, std::vector<Gap>& gaps);

/// What the form of the program hides from each of the rules, in order of their codes.
[[nodiscard]] std::vector<ReportedUnseen> unseen_by(std::span<const Rule* const> rules,
                                                    const Artifact& artifact);

}  // namespace torchvet
