#include "engine/verdict.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/baseline.h"
#include "engine/fingerprint.h"
#include "engine/suppress.h"

namespace torchvet {
namespace {

/// The order of a report. Severity descends; everything else ascends.
auto order_of(const Finding& f) {
  return std::tuple(std::string_view(f.where.artifact), -static_cast<int>(f.severity), f.rule->code,
                    std::string_view(f.where.object_path), std::string_view(f.where.member),
                    std::string_view(f.key), std::string_view(f.message),
                    f.where.bytes ? f.where.bytes->offset : 0);
}

void count(Counts& counts, const ReportedFinding& reported) {
  if (reported.status == FindingStatus::kSuppressed) ++counts.suppressed;
  if (reported.status == FindingStatus::kBaselined) ++counts.baselined;
  if (reported.status != FindingStatus::kNew) return;
  switch (reported.finding.severity) {
    case Severity::kError:
      ++counts.error;
      break;
    case Severity::kWarning:
      ++counts.warning;
      break;
    case Severity::kNote:
      ++counts.note;
      break;
  }
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kFail:
      return "fail";
    case Outcome::kIncomplete:
      return "incomplete";
    case Outcome::kError:
      return "error";
  }
  return "error";
}

std::string_view name_of(FindingStatus status) {
  switch (status) {
    case FindingStatus::kNew:
      return "new";
    case FindingStatus::kBaselined:
      return "baselined";
    case FindingStatus::kSuppressed:
      return "suppressed";
  }
  return "new";
}

std::string_view name_of(SuppressionState state) {
  switch (state) {
    case SuppressionState::kUsed:
      return "used";
    case SuppressionState::kUnused:
      return "unused";
    case SuppressionState::kUntried:
      return "untried";
    case SuppressionState::kExpired:
      return "expired";
    case SuppressionState::kOtherSha256:
      return "other-sha256";
  }
  return "untried";
}

std::string_view name_of(TrackMark mark) {
  switch (mark) {
    case TrackMark::kNone:
      return "none";
    case TrackMark::kStatic:
      return "static";
    case TrackMark::kReplaced:
      return "replaced";
    case TrackMark::kNotFinite:
      return "not-finite";
  }
  return "none";
}

Outcome outcome_of(const Report& report) {
  const auto unread = [](const ReportedArtifact& a) { return !a.read_error.empty(); };
  const auto has_gap = [](const ReportedArtifact& a) { return !a.gaps.empty(); };
  const auto gates = [&](const ReportedFinding& f) {
    return report.fail_on && f.status == FindingStatus::kNew &&
           f.finding.severity >= *report.fail_on;
  };
  if (std::any_of(report.artifacts.begin(), report.artifacts.end(), unread)) return Outcome::kError;
  if (std::any_of(report.findings.begin(), report.findings.end(), gates)) return Outcome::kFail;
  if (std::any_of(report.artifacts.begin(), report.artifacts.end(), has_gap)) {
    return Outcome::kIncomplete;
  }
  return Outcome::kPass;
}

Counts counts_of(const Report& report) {
  Counts counts;
  for (const ReportedFinding& finding : report.findings) count(counts, finding);
  return counts;
}

Report judge(std::vector<Checked> checked, std::vector<const Rule*> rules, const Policy& policy) {
  Report report;
  report.rules = std::move(rules);
  report.fail_on = policy.fail_on;
  std::vector<Finding> findings;
  std::map<std::string, std::string> logical_paths;
  for (Checked& one : checked) {
    logical_paths[one.artifact.path] = one.artifact.id;
    report.bytes += one.artifact.size;
    const std::vector<const Rule*> wanted = rules_for(policy, report.rules, one.artifact.id);
    ReportedSkip left_out{"it was left out here", {}};
    for (const Rule* rule : report.rules) {
      if (std::find(wanted.begin(), wanted.end(), rule) == wanted.end()) {
        left_out.codes.emplace_back(rule->code);
      }
    }
    if (!left_out.codes.empty()) one.artifact.skipped.push_back(std::move(left_out));
    for (Finding& finding : one.findings) {
      // A rule about a series looks at all of it, also for an artifact that asks for other rules.
      if (std::find(wanted.begin(), wanted.end(), finding.rule) == wanted.end()) continue;
      if (finding.confidence < policy.min_confidence) {
        ++report.hidden_by_confidence;
        continue;
      }
      const SeverityOverride* other =
          severity_for(policy.severities, *finding.rule, one.artifact.id);
      if (other != nullptr) finding.severity = other->severity;
      findings.push_back(std::move(finding));
    }
    report.artifacts.push_back(std::move(one.artifact));
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return order_of(a) < order_of(b); });
  std::stable_sort(
      report.artifacts.begin(), report.artifacts.end(),
      [](const ReportedArtifact& a, const ReportedArtifact& b) { return a.path < b.path; });

  Fingerprinter fingerprinter;
  for (Finding& finding : findings) {
    std::string fingerprint = fingerprinter.of(finding, logical_paths[finding.where.artifact]);
    report.findings.push_back({std::move(finding), std::move(fingerprint)});
  }
  suppress(report, policy);
  apply_baseline(report, policy);
  report.counts = counts_of(report);
  report.outcome = outcome_of(report);
  return report;
}

}  // namespace torchvet
