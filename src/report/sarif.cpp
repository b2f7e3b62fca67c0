// SARIF is written for GitHub's code scanning, which is stricter than the standard's schema: a
// result without a physical location makes it refuse the whole file, so each is anchored to the
// artifact's first line, and the bytes are told beside; results are told apart by
// `primaryLocationLineHash` alone, so our fingerprint stands there; and it keeps 5,000 results of a
// run, so the worst come first and a notification says how many are left out. Texts that the
// standard requires are never empty.
//
// In a message `[text](1)` is a link, so brackets and backslashes of artifacts are escaped. Braces
// stand for themselves: they are placeholders only where a message has arguments.
#include "report/sarif.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "report/artifact_ids.h"
#include "report/json_parts.h"
#include "report/words.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

using Json = ReportJson;

constexpr std::string_view kSchema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
constexpr std::size_t kMostResults = 5000;
constexpr std::size_t kLongestName = 255, kLongestDescription = 1024;  // characters, by GitHub
constexpr std::size_t kMostEvidence = 10;

/// A text of this program, cut to a number of characters.
std::string cut(std::string_view text, std::size_t most) {
  if (display_width(text) <= most) return std::string(text);
  std::size_t end = 0;
  for (std::size_t count = 0; count < most; ++end) {
    if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80) ++count;
  }
  while (end > 0 && (static_cast<unsigned char>(text[end - 1]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end - 1)) + "…";
}

/// As a plain text message has it: in one line or several, without a link.
std::string message(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// A reference that names a file by its path, whatever bytes are in it.
std::string uri_of(std::string_view path) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string out = path.starts_with('/') ? "file://" : "";
  for (const char c : to_utf8(path)) {
    if (kPlain.find(c) != kPlain.npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out.empty() ? "-" : out;
}

Json artifact_location(std::string_view path, std::size_t index) {
  Json out = {{"uri", uri_of(path)}, {"index", index}};
  if (!path.starts_with('/')) out["uriBaseId"] = "%SRCROOT%";
  return out;
}

bool is_about_safety(std::string_view code) {
  return code.starts_with("PKL") || code == "FMT005" || code == "FMT012";
}

/// GitHub's scale: above 9 critical, from 7 high, from 4 medium.
std::string_view security_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "8.8";
    case Severity::kWarning:
      return "5.5";
    case Severity::kNote:
      return "2.0";
  }
  return "2.0";
}

std::string_view problem_of(Severity severity) {
  return severity == Severity::kNote ? "recommendation" : name_of(severity);
}

Json rule_of(const Rule& rule) {
  Json out = {{"id", rule.code},
              {"name", cut(rule.name, kLongestName)},
              {"shortDescription", {{"text", cut(rule.summary, kLongestDescription)}}}};
  const std::string full =
      rule.why.empty() ? std::string(rule.summary) : fmt::format("{}: {}", rule.summary, rule.why);
  out["fullDescription"] = {{"text", cut(full, kLongestDescription)}};
  std::string_view page = rule.doc;
  while (page.starts_with('\n')) page.remove_prefix(1);
  if (!page.empty()) out["help"] = {{"text", rule.help}, {"markdown", page}};
  out["defaultConfiguration"] = {{"level", name_of(rule.severity)}};
  Json tags = Json::array({is_about_safety(rule.code) ? "security" : "correctness"});
  out["properties"] = {{"precision", name_of(rule.confidence)},
                       {"problem.severity", problem_of(rule.severity)},
                       {"tags", std::move(tags)}};
  if (is_about_safety(rule.code)) {
    out["properties"]["security-severity"] = security_of(rule.severity);
  }
  return out;
}

std::string text_of(const Finding& f) {
  std::string out = printed(f.message);
  if (out.empty()) out = f.rule->summary;
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("\n{}: {}", label, text);
  };
  add("at", place_of(f, f.where.object_path));
  for (std::size_t i = 0; i < f.evidence.size() && i < kMostEvidence; ++i) {
    add("because", printed(f.evidence[i].text));
  }
  add("why", printed(f.why));
  add("do", printed(f.help));
  return message(out);
}

Json logical_locations(const Location& where) {
  Json out = Json::array();
  if (!where.member.empty()) {
    out.push_back({{"fullyQualifiedName", printed(where.member)}, {"kind", "resource"}});
  }
  if (!where.object_path.empty()) {
    out.push_back({{"fullyQualifiedName", printed(where.object_path)}, {"kind", "object"}});
  }
  return out;
}

/// What code scanning keeps results apart by: those of one run take the place of those of the last
/// in its category. So a comparison that could not be made must not stand for a clean `check`, and
/// the command line tells what was asked.
std::string_view category_of(const Report& report) {
  if (report.series) return "drift";
  if (report.diff) return "diff";
  for (const std::string_view verb : {"drift", "diff"}) {
    if (report.argv.size() > 1 && report.argv[1] == verb) return verb;
  }
  return "check";
}

class Writer {
 public:
  explicit Writer(const Report& report) : report_(report), ids_(report) {
    for (std::size_t i = 0; i < report.rules.size(); ++i) rules_[report.rules[i]->code] = i;
  }

  Json run() {
    Json rules = Json::array();
    for (const Rule* rule : report_.rules) rules.push_back(rule_of(*rule));
    Json results = Json::array();
    for (const ReportedFinding* finding : worst()) results.push_back(result_of(*finding));
    Json driver = {{"name", "torchvet"},
                   {"version", report_.version},
                   {"semanticVersion", report_.version},
                   {"rules", std::move(rules)},
                   {"notifications", notification_kinds()}};
    const std::string_view category = category_of(report_);
    return {{"tool", {{"driver", std::move(driver)}}},
            {"automationDetails", {{"id", fmt::format("torchvet/{}/", category)}}},
            {"columnKind", "unicodeCodePoints"},
            {"invocations", Json::array({invocation()})},
            {"artifacts", artifacts()},
            {"results", std::move(results)}};
  }

 private:
  static Json notification_kinds() {
    const auto kind = [](std::string_view id, std::string_view text) {
      return Json{{"id", id}, {"shortDescription", {{"text", text}}}};
    };
    return Json::array(
        {kind("could-not-be-read", "an artifact could not be read"),
         kind("not-analysed", "a part of an artifact was not analysed"),
         kind("unseen", "the form of a program hides something from a rule"),
         kind("results-left-out", "there are more results than code scanning takes")});
  }

  /// New ones before those that are accepted, each by severity.
  std::vector<const ReportedFinding*> worst() {
    std::vector<const ReportedFinding*> all;
    for (const ReportedFinding& finding : report_.findings) all.push_back(&finding);
    std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
      const bool new_a = a->status == FindingStatus::kNew, new_b = b->status == FindingStatus::kNew;
      return new_a != new_b ? new_a : a->finding.severity > b->finding.severity;
    });
    left_out_ = all.size() > kMostResults ? all.size() - kMostResults : 0;
    all.resize(all.size() - left_out_);
    return all;
  }

  Json result_of(const ReportedFinding& reported) const {
    const Finding& f = reported.finding;
    Json region = {{"startLine", 1}};
    if (f.where.bytes) {
      region["byteOffset"] = f.where.bytes->offset;
      region["byteLength"] = f.where.bytes->length;
    }
    Json location = {{"physicalLocation",
                      {{"artifactLocation", artifact_location(ids_.of(f), ids_.index_of(f))},
                       {"region", std::move(region)}}}};
    Json logical = logical_locations(f.where);
    if (!logical.empty()) location["logicalLocations"] = std::move(logical);
    Json out = {{"ruleId", f.rule->code},
                {"ruleIndex", rules_.at(f.rule->code)},
                {"level", name_of(f.severity)},
                {"message", {{"text", text_of(f)}}},
                {"locations", Json::array({std::move(location)})},
                {"partialFingerprints", {{"primaryLocationLineHash", reported.fingerprint}}},
                {"properties", {{"confidence", name_of(f.confidence)}}}};
    if (report_.baseline) {
      out["baselineState"] = reported.status == FindingStatus::kBaselined ? "unchanged" : "new";
    }
    if (reported.status == FindingStatus::kNew) return out;
    std::string why = printed(reported.accepted_because);
    if (reported.status == FindingStatus::kBaselined && report_.baseline) {
      why = "known: " + printed(report_.baseline->file);
    }
    Json suppression = {{"kind", "external"}, {"status", "accepted"}};
    if (!why.empty()) suppression["justification"] = why;
    out["suppressions"] = Json::array({std::move(suppression)});
    return out;
  }

  Json artifacts() const {
    Json out = Json::array();
    for (std::size_t i = 0; i < report_.artifacts.size(); ++i) {
      const ReportedArtifact& a = report_.artifacts[i];
      Json one = {{"location", artifact_location(ids_.at(i), i)},
                  {"roles", Json::array({"analysisTarget"})}};
      if (a.read_error.empty()) one["length"] = a.size;
      if (!a.sha256.empty()) one["hashes"] = {{"sha-256", a.sha256}};
      out.push_back(std::move(one));
    }
    return out;
  }

  Json notification(std::string_view kind, std::string_view level, std::size_t artifact,
                    const std::string& text) const {
    Json location = {{"physicalLocation",
                      {{"artifactLocation", artifact_location(ids_.at(artifact), artifact)}}}};
    return {{"descriptor", {{"id", kind}}},
            {"level", level},
            {"message", {{"text", message(text)}}},
            {"locations", Json::array({std::move(location)})}};
  }

  Json notifications() const {
    Json out = Json::array();
    for (std::size_t i = 0; i < report_.artifacts.size(); ++i) {
      const ReportedArtifact& a = report_.artifacts[i];
      if (!a.read_error.empty()) {
        out.push_back(notification("could-not-be-read", "error", i,
                                   "could not be read: " + printed(a.read_error)));
      }
      for (const Gap& gap : a.gaps) {
        out.push_back(
            notification("not-analysed", "warning", i,
                         fmt::format("not analysed: {}: {}", printed(gap.what), printed(gap.why))));
      }
      for (const ReportedUnseen& unseen : a.unseen) {
        out.push_back(notification("unseen", "note", i,
                                   fmt::format("{} does not show {} ({})", printed(a.form),
                                               printed(unseen.what), unseen.code)));
      }
    }
    if (left_out_ > 0) {
      out.push_back({{"descriptor", {{"id", "results-left-out"}}},
                     {"level", "warning"},
                     {"message",
                      {{"text", fmt::format("{} of {} results are left out, the least severe ones",
                                            left_out_, report_.findings.size())}}}});
    }
    return out;
  }

  /// It counts as successful when the verdict is one about everything that was asked.
  Json invocation() const {
    Json out = {{"executionSuccessful",
                 report_.outcome == Outcome::kPass || report_.outcome == Outcome::kFail},
                {"exitCode", report_.exit_code},
                {"exitCodeDescription", verdict_of(report_.outcome)}};
    Json arguments = Json::array();
    for (std::size_t i = 1; i < report_.argv.size(); ++i) {
      arguments.push_back(text_json(report_.argv[i]));
    }
    out["arguments"] = std::move(arguments);
    if (!report_.reproducible) out["startTimeUtc"] = report_.started;
    out["toolExecutionNotifications"] = notifications();
    return out;
  }

  const Report& report_;
  const ArtifactIds ids_;
  std::map<std::string_view, std::size_t> rules_;
  std::size_t left_out_ = 0;
};

}  // namespace

std::string sarif_report(const Report& report) {
  const Json out = {
      {"$schema", kSchema}, {"version", "2.1.0"}, {"runs", Json::array({Writer(report).run()})}};
  return json_line(out, 2) + "\n";
}

}  // namespace torchvet
