// Written as text: the output is a list of flat elements, and what a library for XML would add, the
// escaping, it would not do in full. XML 1.0 has no way at all to write most control characters or
// U+FFFE and U+FFFF, not even as references, and a report with one of them is no XML: `printed` has
// replaced the former, and the latter are replaced here.
#include "report/junit.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <vector>

#include "report/words.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostFindings = 50;  ///< of one case that are told in full

/// For attributes and text alike; a line break only ever comes from this file, in text.
std::string xml(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':  // in `]]>` it must be, elsewhere it may
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\xEF':
        if (text.substr(i, 3) == "\xEF\xBF\xBE" || text.substr(i, 3) == "\xEF\xBF\xBF") {
          out += text[i + 2] == '\xBE' ? "\\ufffe" : "\\uffff";
          i += 2;
          break;
        }
        [[fallthrough]];
      default:
        out += text[i];
    }
  }
  return out;
}

std::string text_of(const ReportedFinding& reported) {
  const Finding& f = reported.finding;
  std::string out = fmt::format("{}: {}\n", name_of(f.severity), printed(f.message));
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {}  {}\n", label, text);
  };
  add("at", place_of(f, f.where.object_path));
  for (const Evidence& evidence : f.evidence) add("because", printed(evidence.text));
  add("why", printed(f.why));
  add("do", printed(f.help));
  if (reported.status != FindingStatus::kNew) {
    const std::string reason = printed(reported.accepted_because);
    add("accepted",
        fmt::format("{}{}{}", name_of(reported.status), reason.empty() ? "" : ": ", reason));
  }
  return out;
}

struct Totals {
  std::uint64_t tests = 0, failures = 0, errors = 0, skipped = 0;
  [[nodiscard]] std::string attributes() const {
    return fmt::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}")", tests, failures,
                       errors, skipped);
  }
  void add(const Totals& more) {
    tests += more.tests;
    failures += more.failures;
    errors += more.errors;
    skipped += more.skipped;
  }
};

using Findings = std::map<std::string_view, std::vector<const ReportedFinding*>>;  // by code

class Suite {
 public:
  Suite(const Report& report, const ReportedArtifact& artifact)
      : report_(report), artifact_(artifact), name_(xml(printed(artifact.path))) {}

  std::string write(const Findings& findings) {
    if (!artifact_.read_error.empty()) error("file", "could not be read", artifact_.read_error);
    for (const Gap& gap : artifact_.gaps) error(gap.what, "not analysed", gap.why);
    std::map<std::string_view, std::string_view> skipped;
    for (const ReportedSkip& skip : artifact_.skipped) {
      for (const std::string& code : skip.codes) skipped.emplace(code, skip.why);
    }
    for (const Rule* rule : report_.rules) {
      const std::string name = fmt::format("{} {}", rule->code, rule->name);
      const auto skip = skipped.find(rule->code);
      if (const auto found = findings.find(rule->code); found != findings.end()) {
        judged(name, found->second);
      } else if (skip != skipped.end()) {
        ++totals.skipped;
        add(name, fmt::format("<skipped message=\"{}\"/>", xml(printed(skip->second))));
      } else {
        add(name, "");
      }
    }
    return fmt::format("  <testsuite name=\"{}\" {}>\n{}  </testsuite>\n", name_,
                       totals.attributes(), cases_);
  }

  Totals totals;

 private:
  void add(std::string_view name, const std::string& content) {
    ++totals.tests;
    cases_ += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", name_, xml(name));
    cases_ += content.empty() ? "/>\n" : fmt::format(">{}</testcase>\n", content);
  }

  void error(std::string_view what, std::string_view type, std::string_view why) {
    ++totals.errors;
    add(printed(what), fmt::format("<error type=\"{}\" message=\"{}\"/>", type, xml(printed(why))));
  }

  /// A rule that found something.
  void judged(const std::string& name, const std::vector<const ReportedFinding*>& findings) {
    std::vector<const ReportedFinding*> gating, others;
    for (const ReportedFinding* one : findings) {
      const bool gates = one->status == FindingStatus::kNew && report_.fail_on &&
                         one->finding.severity >= *report_.fail_on;
      (gates ? gating : others).push_back(one);
    }
    std::string content;
    if (!gating.empty()) {
      ++totals.failures;
      const Finding& first = gating.front()->finding;
      content = fmt::format(
          "<failure type=\"{}\" message=\"{}{}\">{}</failure>", name_of(first.severity),
          xml(printed(first.message)),
          gating.size() > 1 ? fmt::format(" (and {} more)", gating.size() - 1) : "", told(gating));
    }
    if (!others.empty()) content += fmt::format("<system-out>{}</system-out>", told(others));
    add(name, content);
  }

  static std::string told(const std::vector<const ReportedFinding*>& findings) {
    std::string out;
    for (std::size_t i = 0; i < findings.size() && i < kMostFindings; ++i) {
      out += xml(text_of(*findings[i]));
    }
    if (findings.size() > kMostFindings) {
      out += fmt::format("and {} more\n", findings.size() - kMostFindings);
    }
    return out;
  }

  const Report& report_;
  const ReportedArtifact& artifact_;
  std::string name_, cases_;
};

}  // namespace

std::string junit_report(const Report& report) {
  std::map<std::string_view, Findings> findings;  // by the path of their artifact
  for (const ReportedFinding& one : report.findings) {
    findings[one.finding.where.artifact][one.finding.rule->code].push_back(&one);
  }
  Totals totals;
  std::string suites;
  for (const ReportedArtifact& artifact : report.artifacts) {
    Suite suite(report, artifact);
    suites += suite.write(findings[artifact.path]);
    totals.add(suite.totals);
  }
  const std::string time =
      report.reproducible
          ? ""
          : fmt::format(" time=\"{:.3f}\"", static_cast<double>(report.duration_ms) / 1000.0);
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites name=\"torchvet\" {}{}>\n{}</testsuites>\n",
      totals.attributes(), time, suites);
}

}  // namespace torchvet
