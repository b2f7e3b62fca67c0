#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/words.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostRows = 5000;
constexpr std::size_t kLongestSha256 = 64;

std::string left_out(std::uint64_t all) {
  return all > kMostRows ? fmt::format("<p>and {} more.</p>\n", grouped(all - kMostRows)) : "";
}

std::string counts_of(const std::map<Severity, std::uint64_t>& counts) {
  std::string out;
  for (auto count = counts.rbegin(); count != counts.rend(); ++count) {
    out += severity_badge(count->first) + grouped(count->second) + ' ';
  }
  return out;
}

class Facts {
 public:
  void add(std::string_view label, const std::string& html) {
    rows_ += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", label, html);
  }
  [[nodiscard]] std::string html() const {
    return fmt::format("<dl class=\"facts\">\n{}</dl>\n", rows_);
  }

 private:
  std::string rows_;
};

/// What no finding means nothing about, once for all artifacts that hide the same.
std::string unseen_of(const Report& report) {
  std::map<std::string, std::uint64_t> lines;
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (artifact.unseen.empty()) continue;
    std::string line;
    for (const ReportedUnseen& unseen : artifact.unseen) {
      line += fmt::format("<li>{} ({})</li>", html_text(unseen.what), html_text(unseen.code));
    }
    ++lines[fmt::format("{} does not show<ul>{}</ul>", html_text(artifact.form), line)];
  }
  std::string out;
  for (const auto& [line, count] : lines) {
    out += fmt::format("<div class=\"unseen\">In {}: {}</div>\n", counted(count, "artifact"), line);
  }
  return out.empty() ? out : "<h3>Not to be seen in these files</h3>\n" + out;
}

/// Rules of the run that did not look at some artifacts, and why.
std::string skipped_of(const Report& report) {
  std::map<std::string, std::map<std::string, std::uint64_t>> reasons;  // artifacts of each rule
  for (const ReportedArtifact& artifact : report.artifacts) {
    for (const ReportedSkip& skip : artifact.skipped) {
      for (const std::string& code : skip.codes) ++reasons[skip.why][code];
    }
  }
  std::string rows;
  for (const auto& [why, rules] : reasons) {
    std::map<std::uint64_t, std::string> by_count;
    for (const auto& [code, count] : rules) {
      std::string& codes = by_count[count];
      codes += (codes.empty() ? "" : ", ") + html_text(code);
    }
    for (const auto& [count, codes] : by_count) {
      rows +=
          fmt::format("<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td>{}</td></tr>\n",
                      html_text(why), grouped(count), codes);
    }
  }
  if (rows.empty()) return "";
  return "<details><summary>Rules that had nothing to look at</summary>\n" +
         table("Rules that had nothing to look at",
               "<th scope=\"col\">why</th><th scope=\"col\" class=\"number\">artifacts</th>"
               "<th scope=\"col\">rules</th>",
               rows) +
         "</details>\n";
}

std::string suppressions_of(const Report& report) {
  if (report.suppressions.empty()) return "";
  std::string rows;
  for (const ReportedSuppression& reported : report.suppressions) {
    const Suppression& one = reported.suppression;
    rows += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td></tr>\n",
        html_text(one.code), html_text(one.artifact), html_text(one.reason, kLongestMessage),
        name_of(reported.state), reported.findings);
  }
  return "<h3>Suppressions</h3>\n" +
         table("Suppressions",
               "<th scope=\"col\">rule</th><th scope=\"col\">artifact</th>"
               "<th scope=\"col\">reason</th><th scope=\"col\">state</th>"
               "<th scope=\"col\" class=\"number\">findings</th>",
               rows);
}

std::string rules_of(const Report& report) {
  std::string rows;
  for (const Rule* rule : report.rules) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        rule->code, rule->name, name_of(rule->severity), html_prose(rule->summary));
  }
  return fmt::format("<details><summary>{} ran</summary>\n{}</details>\n",
                     counted(report.rules.size(), "rule"),
                     table("Rules that ran",
                           "<th scope=\"col\">code</th><th scope=\"col\">name</th>"
                           "<th scope=\"col\">level</th><th scope=\"col\">what it finds</th>",
                           rows));
}

}  // namespace

std::string table(std::string_view label, std::string_view head, std::string_view rows) {
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"{}\">\n<table>\n<thead><tr>"
      "{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n",
      label, head, rows);
}

std::string gaps_section(const Report& report) {
  std::string rows;
  std::uint64_t count = 0;
  const auto add = [&](const ReportedArtifact& artifact, const std::string& what,
                       std::string_view why) {
    if (++count > kMostRows) return;
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                        html_text(artifact.path), what, html_text(why, kLongestMessage));
  };
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (!artifact.read_error.empty()) add(artifact, "could not be read", artifact.read_error);
    for (const Gap& gap : artifact.gaps) add(artifact, html_text(gap.what), gap.why);
  }
  if (count == 0) return "";
  return "<section id=\"gaps\" aria-labelledby=\"gaps-title\">\n"
         "<h2 id=\"gaps-title\">Not analysed</h2>\n"
         "<p>What is listed here was not looked at, so that no finding means nothing about "
         "it.</p>\n" +
         table("What was not analysed",
               "<th scope=\"col\">artifact</th><th scope=\"col\">part</th>"
               "<th scope=\"col\">why</th>",
               rows) +
         left_out(count) + "</section>\n";
}

std::string artifacts_section(const Report& report) {
  std::map<std::string_view, std::map<Severity, std::uint64_t>> found;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.status == FindingStatus::kNew) {
      ++found[finding.finding.where.artifact][finding.finding.severity];
    }
  }
  std::string rows;
  for (std::size_t i = 0; i < std::min(report.artifacts.size(), kMostRows); ++i) {
    const ReportedArtifact& artifact = report.artifacts[i];
    const bool partly = !artifact.gaps.empty() || !artifact.read_error.empty();
    rows += fmt::format(
        "<tr><th scope=\"row\">{}{}</th><td>{}</td><td>{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{}</td><td>{}{}</td></tr>\n",
        html_text(artifact.path),
        artifact.sha256.empty() ? ""
                                : fmt::format("<br><small>sha256 {}</small>",
                                              html_text(artifact.sha256, kLongestSha256)),
        html_text(artifact.format), html_text(artifact.kind), size_text(artifact.size),
        artifact.parameters ? grouped(*artifact.parameters) : "", counts_of(found[artifact.path]),
        partly ? "<span class=\"badge incomplete\">not all analysed</span>" : "");
  }
  return fmt::format(
             "<section id=\"artifacts\" aria-labelledby=\"artifacts-title\"{}>\n"
             "<h2 id=\"artifacts-title\">Artifacts</h2>\n",
             many_mark(report.artifacts.size())) +
         table("Table of artifacts",
               "<th scope=\"col\">path</th><th scope=\"col\">format</th><th scope=\"col\">kind</th>"
               "<th scope=\"col\" class=\"number\">size</th>"
               "<th scope=\"col\" class=\"number\">parameters</th><th scope=\"col\">findings</th>",
               rows) +
         left_out(report.artifacts.size()) + "</section>\n";
}

std::string run_section(const Report& report) {
  Facts facts;
  std::string command;
  for (const std::string& argument : report.argv) {
    command += (command.empty() ? "" : " ") + printed(argument, kMaxPrinted);
  }
  facts.add("command", fmt::format("<code>{}</code>", html_escape(command)));
  facts.add("program", fmt::format("torchvet {}", html_text(report.version)));
  if (!report.libtorch.empty()) {
    facts.add("graphs", fmt::format("read with LibTorch {}", html_text(report.libtorch)));
  }
  for (const std::string& file : report.config_files) facts.add("settings", html_text(file));
  if (!report.reproducible) {
    facts.add("started", html_text(report.started));
    facts.add("took", fmt::format("{:.1f} s", static_cast<double>(report.duration_ms) / 1000.0));
  }
  facts.add("fails at", report.fail_on ? std::string(name_of(*report.fail_on)) : "no level");
  facts.add("exit code", std::to_string(report.exit_code));
  if (report.baseline) {
    facts.add("baseline",
              fmt::format("{}: {} of {} still found, {} stale", html_text(report.baseline->file),
                          grouped(report.baseline->used), grouped(report.baseline->entries),
                          grouped(report.baseline->stale.size())));
  }
  return "<section id=\"run\" aria-labelledby=\"run-title\">\n"
         "<h2 id=\"run-title\">About this run</h2>\n" +
         facts.html() + unseen_of(report) + suppressions_of(report) + rules_of(report) +
         skipped_of(report) + "</section>\n";
}

}  // namespace torchvet
