#include "engine/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/escape.h"

namespace torchvet {
namespace {

/// A text as JSON: of bytes that are no UTF-8 the same form as in the report.
std::string json_text(std::string_view raw) { return nlohmann::json(to_utf8(raw)).dump(); }

auto order_of(const BaselineEntry& e) {
  return std::tie(e.artifact, e.code, e.object_path, e.fingerprint);
}

}  // namespace

void apply_baseline(Report& report, const Policy& policy) {
  if (!policy.baseline) return;
  std::map<std::string, ReportedFinding*> findings;
  for (ReportedFinding& finding : report.findings) findings[finding.fingerprint] = &finding;
  std::map<std::string, const ReportedArtifact*> artifacts;
  for (const ReportedArtifact& artifact : report.artifacts)
    artifacts[to_utf8(artifact.id)] = &artifact;

  ReportedBaseline reported;
  reported.file = policy.baseline->file;
  reported.entries = policy.baseline->entries.size();
  for (const BaselineEntry& entry : policy.baseline->entries) {
    if (const auto found = findings.find(entry.fingerprint); found != findings.end()) {
      ++reported.used;
      FindingStatus& status = found->second->status;
      if (status == FindingStatus::kNew) status = FindingStatus::kBaselined;
      continue;
    }
    if (policy.gone.contains(entry.artifact)) {
      reported.stale.push_back(entry);
      continue;
    }
    const auto looked_at = artifacts.find(entry.artifact);
    if (looked_at == artifacts.end()) continue;
    const ReportedArtifact& artifact = *looked_at->second;
    if (!artifact.gaps.empty() || !artifact.read_error.empty()) continue;
    const std::vector<const Rule*> ran = rules_for(policy, report.rules, artifact.id);
    const bool tried = std::any_of(ran.begin(), ran.end(),
                                   [&](const Rule* rule) { return rule->code == entry.code; });
    if (tried) reported.stale.push_back(entry);
  }
  report.baseline = std::move(reported);
}

Baseline baseline_of(const Report& report) {
  std::map<std::string, std::string> ids;
  for (const ReportedArtifact& artifact : report.artifacts) ids[artifact.path] = artifact.id;
  Baseline baseline;
  for (const ReportedFinding& found : report.findings) {
    if (found.status == FindingStatus::kSuppressed) continue;
    const Finding& finding = found.finding;
    baseline.entries.push_back({found.fingerprint, std::string(finding.rule->code),
                                to_utf8(ids[finding.where.artifact]),
                                to_utf8(finding.where.object_path)});
  }
  return baseline;
}

std::string baseline_text(const Baseline& baseline) {
  std::vector<BaselineEntry> entries = baseline.entries;
  std::sort(entries.begin(), entries.end(), [](const BaselineEntry& a, const BaselineEntry& b) {
    return order_of(a) < order_of(b);
  });
  std::string out = "{\n\"version\": 1,\n\"entries\": [";
  bool first = true;
  for (const BaselineEntry& entry : entries) {
    out += first ? "\n" : ",\n";
    first = false;
    out += fmt::format(R"({{"artifact": {}, "code": {}, "object_path": {}, "fingerprint": {}}})",
                       json_text(entry.artifact), json_text(entry.code),
                       json_text(entry.object_path), json_text(entry.fingerprint));
  }
  return out + (first ? "]\n}\n" : "\n]\n}\n");
}

}  // namespace torchvet
