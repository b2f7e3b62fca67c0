#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/accepted.h"
#include "engine/selection.h"
#include "rule/finding.h"

namespace torchvet {

/// Another severity for a rule.
struct SeverityOverride {
  const Rule* rule = nullptr;
  Severity severity = Severity::kError;
  std::string match;   ///< glob for logical paths; empty: everywhere
  std::string origin;  ///< where it is written
};

/// The one that counts for a rule's findings in an artifact; nothing when none does.
[[nodiscard]] const SeverityOverride* severity_for(std::span<const SeverityOverride> severities,
                                                   const Rule& rule,
                                                   const std::string& artifact_id);

/// Other rules for the artifacts whose logical path matches.
struct PathSelection {
  std::string match;
  std::vector<std::string> select;  ///< in place of the general one; empty: no change
  std::vector<std::string> ignore;  ///< on top of the general one
};

/// What decides which rules look at an artifact, what a finding counts for, and what gates.
struct Policy {
  Selection selection;
  std::vector<PathSelection> paths;                    ///< applied in order
  std::vector<SeverityOverride> severities;            ///< the last one that fits wins
  Confidence min_confidence = Confidence::kLow;        ///< findings below are dropped
  std::optional<Severity> fail_on = Severity::kError;  ///< none: findings never gate
  std::vector<Suppression> suppressions;
  std::optional<Baseline> baseline;
  std::set<std::string> gone;  ///< logical paths in the baseline where no file is any more
  std::string today;           ///< YYYY-MM-DD, for suppressions that expire
};

/// The selection that counts for an artifact.
[[nodiscard]] Selection selection_for(const Policy& policy, const std::string& artifact_id);

/// Of the rules of a run, those that look at this artifact, in their order.
[[nodiscard]] std::vector<const Rule*> rules_for(const Policy& policy,
                                                 std::span<const Rule* const> rules,
                                                 const std::string& artifact_id);

/// Every rule that looks at one artifact or another, sorted by code.
/// Errors: kConfigInvalid for a word that names no rule.
[[nodiscard]] Result<std::vector<const Rule*>> rules_of(const Policy& policy,
                                                        std::span<const Rule* const> table);

}  // namespace torchvet
