#include "report/gitlab.h"

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "core/digest.h"
#include "report/artifact_ids.h"
#include "report/json_parts.h"
#include "report/words.h"

namespace torchvet {
namespace {

using Json = ReportJson;

/// GitLab knows info, minor, major, critical and blocker.
std::string_view level_of(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "info";
    case Severity::kWarning:
      return "minor";
    case Severity::kError:
      return "critical";
  }
  return "critical";
}

/// Its path is a key to a file of the repository, so it is not escaped as text for people is.
Json issue(std::string_view check, std::string_view level, const std::string& description,
           const std::string& fingerprint, std::string_view path) {
  return {{"description", description},
          {"check_name", check},
          {"fingerprint", fingerprint},
          {"severity", level},
          {"location", {{"path", to_utf8(path)}, {"lines", {{"begin", 1}}}}}};
}

std::string description_of(const Finding& finding) {
  std::string out = printed(finding.message);
  const std::string place = place_of(finding, finding.where.object_path);
  if (!place.empty()) out += fmt::format(" (at {})", place);
  return out + fmt::format("; {}", printed(finding.help));
}

/// Issues with one fingerprint are one to GitLab, so each gap has its own, and it stays the same
/// while the gap does.
class GapFingerprints {
 public:
  std::string of(const ReportedArtifact& artifact, std::string_view what) {
    std::string bytes = "v1";
    for (const std::string_view part :
         {std::string_view("gap"), std::string_view(artifact.id), what}) {
      bytes += '\0';
      bytes += to_utf8(part);
    }
    std::string fingerprint = sha256_hex(bytes).substr(0, 32);
    const std::uint64_t count = ++seen_[fingerprint];
    return count == 1 ? fingerprint : fmt::format("{}:{}", fingerprint, count);
  }

 private:
  std::map<std::string, std::uint64_t> seen_;
};

}  // namespace

std::string gitlab_report(const Report& report) {
  Json issues = Json::array();
  const ArtifactIds ids(report);
  for (const ReportedFinding& reported : report.findings) {
    if (reported.status != FindingStatus::kNew) continue;
    const Finding& f = reported.finding;
    issues.push_back(issue(fmt::format("{} {}", f.rule->code, f.rule->name), level_of(f.severity),
                           description_of(f), reported.fingerprint, ids.of(f)));
  }
  GapFingerprints fingerprints;
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (!artifact.read_error.empty()) {
      issues.push_back(issue("could-not-be-read", "critical",
                             "could not be read: " + printed(artifact.read_error),
                             fingerprints.of(artifact, "file"), artifact.id));
    }
    for (const Gap& gap : artifact.gaps) {
      issues.push_back(
          issue("not-analysed", "major",
                fmt::format("not analysed: {}: {}", printed(gap.what), printed(gap.why)),
                fingerprints.of(artifact, gap.what), artifact.id));
    }
  }
  return json_line(issues, 2) + "\n";
}

}  // namespace torchvet
