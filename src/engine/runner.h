#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "engine/report.h"
#include "rule/rule.h"

namespace torchvet {

/// The dearest thing that some of the rules need.
[[nodiscard]] bool needs_graph(std::span<const Rule* const> rules);

/// The loaders of torch of which some of the rules read what is predicted, each once.
[[nodiscard]] std::vector<std::string_view> loaders_for(std::span<const Rule* const> rules);

/// What rules want to know about the numbers of an artifact.
struct ValueWishes {
  ValuePlan plan;                   ///< the union, sorted by tensor, each tensor once
  std::vector<const Rule*> silent;  ///< that want nothing: the artifact has no numbers they judge
};

/// Asks the rules. One that fails to say leaves a gap.
[[nodiscard]] ValueWishes plan_values(std::span<const Rule* const> rules, Artifact& artifact);

/// How far an artifact was prepared for the rules.
struct Preparation {
  bool has_program = false;
  bool graphs_read = false;  ///< when it has a program
  bool values_read = false;  ///< or no rule wants any
  std::vector<const Rule*> silent;
};

/// Of the rules that were run, those that had nothing to look at, and why. A rule about numbers
/// that wants none may still judge by what it sees beside them, so one that found something is not
/// among them.
[[nodiscard]] std::vector<ReportedSkip> skipped_by(std::span<const Rule* const> rules,
                                                   const Preparation& prepared,
                                                   std::span<const Finding> findings);

/// All of the rules, for one reason.
[[nodiscard]] ReportedSkip skip_all(std::span<const Rule* const> rules, std::string why);

/// Runs the rules in order of their codes over one prepared artifact; series rules are passed over.
/// Fills each finding's rule, artifact, and the sentences that it left to its rule. A rule that
/// throws, or that finds more than `limits.findings_per_rule`, leaves a gap on the artifact; so does a
/// contradiction of which no rule tells, those apart that were not asked.
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
