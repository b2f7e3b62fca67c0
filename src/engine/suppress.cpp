#include "engine/suppress.h"

#include <algorithm>
#include <map>

#include "engine/glob.h"

namespace torchvet {
namespace {

/// The last day is part of the time. Days in this form are in the order of their texts.
bool expired(const Suppression& suppression, const std::string& today) {
  return !suppression.expires.empty() && suppression.expires < today;
}

bool covers(const Suppression& suppression, const Finding& finding, const std::string& id) {
  return suppression.code == finding.rule->code && glob_matches_path(suppression.artifact, id) &&
         (suppression.object_path.empty() ||
          glob_matches(suppression.object_path, finding.where.object_path));
}

/// Without any finding of its own: did the run try it at all?
SuppressionState state_without_finding(const Suppression& suppression, const Report& report,
                                       const Policy& policy) {
  SuppressionState state = SuppressionState::kUntried;
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (!glob_matches_path(suppression.artifact, artifact.id)) continue;
    if (!suppression.sha256.empty() && suppression.sha256 != artifact.sha256) {
      if (state == SuppressionState::kUntried) state = SuppressionState::kOtherSha256;
      continue;
    }
    if (!artifact.gaps.empty() || !artifact.read_error.empty()) continue;
    const std::vector<const Rule*> ran = rules_for(policy, report.rules, artifact.id);
    const bool tried = std::any_of(
        ran.begin(), ran.end(), [&](const Rule* rule) { return rule->code == suppression.code; });
    if (tried) return SuppressionState::kUnused;
  }
  return state;
}

}  // namespace

bool asks_for_sha256(const Policy& policy, const std::string& artifact_id) {
  return std::any_of(policy.suppressions.begin(), policy.suppressions.end(),
                     [&](const Suppression& one) {
                       return !one.sha256.empty() && !expired(one, policy.today) &&
                              glob_matches_path(one.artifact, artifact_id);
                     });
}

void suppress(Report& report, const Policy& policy) {
  std::map<std::string, const ReportedArtifact*> artifacts;
  for (const ReportedArtifact& artifact : report.artifacts) artifacts[artifact.path] = &artifact;
  for (const Suppression& suppression : policy.suppressions) {
    ReportedSuppression reported{suppression};
    if (expired(suppression, policy.today)) {
      reported.state = SuppressionState::kExpired;
      report.suppressions.push_back(std::move(reported));
      continue;
    }
    for (ReportedFinding& found : report.findings) {
      const ReportedArtifact* artifact = artifacts[found.finding.where.artifact];
      if (artifact == nullptr || !covers(suppression, found.finding, artifact->id)) continue;
      if (!suppression.sha256.empty() && suppression.sha256 != artifact->sha256) continue;
      ++reported.findings;
      reported.state = SuppressionState::kUsed;
      if (found.status == FindingStatus::kSuppressed) continue;
      found.status = FindingStatus::kSuppressed;
      found.accepted_because = suppression.reason;
    }
    if (reported.findings == 0) {
      reported.state = state_without_finding(suppression, report, policy);
    }
    report.suppressions.push_back(std::move(reported));
  }
}

}  // namespace torchvet
