#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/words.h"

namespace torchvet {
namespace {

std::string_view family_of(const Rule& rule) { return rule.code.substr(0, 3); }

void add_group(std::vector<PageFindings::Group>& groups, const MergedFinding& merged) {
  const Finding& finding = merged.first->finding;
  const auto same = [&](const PageFindings::Group& group) {
    return group.rule->code == finding.rule->code;
  };
  auto group = std::find_if(groups.begin(), groups.end(), same);  // there are a hundred rules
  if (group == groups.end()) group = groups.insert(group, {finding.rule, finding.severity, {}});
  group->worst = std::max(group->worst, finding.severity);
  group->findings.push_back(merged);
}

/// Where a finding is, each part by itself: from the module down to the bytes.
std::string place_of(const MergedFinding& merged) {
  const Location& where = merged.first->finding.where;
  std::string out;
  const auto add = [&](std::string_view label, const std::string& html) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", label, html);
  };
  add("in", html_text(where.artifact, kLongestMessage));
  if (!merged.object_path.empty()) {
    add("path", fmt::format("<code>{}</code>{}", html_text(merged.object_path, kLongestMessage),
                            merged.count > 1 ? fmt::format(" ({} times; the first is shown)",
                                                           grouped(merged.count))
                                             : ""));
  }
  if (where.source) {
    std::string source = html_text(where.source->file);
    source += fmt::format(":{}", where.source->line);
    if (!where.source->function.empty()) {
      source += fmt::format(" in <code>{}</code>", html_text(where.source->function));
    }
    if (!where.source->text.empty()) {
      source += fmt::format("<pre><code>{}</code></pre>", html_text(where.source->text));
    }
    add("source", source);
  }
  if (!where.member.empty()) {
    add("member", fmt::format("<code>{}</code>", html_text(where.member)));
  }
  if (where.bytes) {
    add("bytes", where.bytes->length == 0
                     ? grouped(where.bytes->offset)
                     : fmt::format("{} to {}", grouped(where.bytes->offset),
                                   grouped(where.bytes->offset + where.bytes->length)));
  }
  return fmt::format("<dl class=\"place\">{}</dl>", out);
}

/// What the sentences of the rule are when all findings of a group share them.
struct Shared {
  bool why = true;
  bool help = true;
};

Shared shared_by(const std::vector<MergedFinding>& findings) {
  Shared shared;
  const Finding& first = findings.front().first->finding;
  for (const MergedFinding& merged : findings) {
    shared.why = shared.why && merged.first->finding.why == first.why;
    shared.help = shared.help && merged.first->finding.help == first.help;
  }
  return shared;
}

std::string reasons(const Finding& finding, bool why, bool help) {
  std::string out;
  if (why) out += fmt::format("<div><dt>why</dt><dd>{}</dd></div>", html_prose(finding.why));
  if (help) out += fmt::format("<div><dt>do</dt><dd>{}</dd></div>", html_prose(finding.help));
  return out.empty() ? out : fmt::format("<dl class=\"reasons\">{}</dl>", out);
}

class FindingsWriter {
 public:
  FindingsWriter(const Report& report, const PageFindings& findings)
      : report_(report), findings_(findings) {
    for (const PageFindings::Group& group : findings.open) {
      for (const MergedFinding& merged : group.findings) {
        numbers_.emplace(merged.first->finding.where.artifact, 0);
      }
    }
    for (const ReportedArtifact& artifact : report.artifacts) {
      const auto found = numbers_.find(artifact.path);
      if (found == numbers_.end()) continue;
      found->second = artifacts_.size();
      artifacts_.push_back(artifact.path);
    }
  }

  std::string write() {
    out_ +=
        "<section id=\"findings\" aria-labelledby=\"findings-title\">\n"
        "<h2 id=\"findings-title\">Findings</h2>\n";
    if (findings_.open.empty()) {
      out_ += "<p class=\"nothing\">Nothing was found in what was looked at.</p>\n";
    } else {
      out_ += "<div class=\"beside\">\n";
      write_filters();
      out_ += fmt::format("<div class=\"groups{}\">\n", shown() > kManyItems ? " many" : "");
      for (const PageFindings::Group& group : findings_.open) write_group(group);
      out_ += "</div>\n</div>\n";
    }
    write_left_out();
    if (!findings_.accepted.empty()) write_accepted();
    out_ += "</section>\n";
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::size_t shown() const {
    std::size_t count = 0;
    for (const PageFindings::Group& group : findings_.open) count += group.findings.size();
    return count;
  }

  /// Hidden until the script that makes them work shows them.
  void write_filters() {
    out_ +=
        "<form class=\"filters\" id=\"filters\" role=\"search\" aria-label=\"Filter findings\" "
        "hidden>\n<label>Text<input type=\"search\" name=\"text\" autocomplete=\"off\" "
        "spellcheck=\"false\"></label>\n<fieldset><legend>Level</legend>";
    for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
      out_ += fmt::format(
          "<label class=\"check\"><input type=\"checkbox\" name=\"severity\" value=\"{0}\" "
          "checked>{0}</label>",
          name_of(severity));
    }
    out_ += "</fieldset>\n";
    std::set<std::string_view> families;
    std::map<std::string_view, std::string_view> rules;
    for (const PageFindings::Group& group : findings_.open) {
      families.insert(family_of(*group.rule));
      rules.emplace(group.rule->code, group.rule->name);
    }
    const auto list = [&](std::string_view label, std::string_view name, const auto& items,
                          const auto& option) {
      out_ +=
          fmt::format("<label>{}<select name=\"{}\"><option value=\"\">all</option>", label, name);
      for (const auto& item : items) out_ += option(item);
      out_ += "</select></label>\n";
    };
    list("Family", "family", families,
         [](std::string_view family) { return fmt::format("<option>{}</option>", family); });
    list("Rule", "code", rules, [](const auto& rule) {
      return fmt::format("<option value=\"{0}\">{0} {1}</option>", rule.first, rule.second);
    });
    list("Artifact", "artifact", artifacts_, [&](std::string_view path) {
      return fmt::format("<option value=\"{}\">{}</option>", numbers_.at(path), html_text(path));
    });
    out_ +=
        "<div class=\"outcome\"><output aria-live=\"polite\"></output>"
        "<button type=\"reset\">Show all</button></div>\n</form>\n";
  }

  void write_group(const PageFindings::Group& group) {
    const Rule& rule = *group.rule;
    const Shared shared = shared_by(group.findings);
    out_ += fmt::format(
        "<section class=\"rule\" aria-labelledby=\"rule-{0}\">\n<h3 id=\"rule-{0}\">{1} "
        "<span class=\"code\">{0}</span> <span class=\"name\">{2}</span> "
        "<span class=\"count\">{3}</span></h3>\n",
        rule.code, severity_badge(group.worst), rule.name,
        group.findings.size() == 1 ? "" : fmt::format("{} findings", group.findings.size()));
    out_ += fmt::format("<p class=\"summary\">{}. More: <code>torchvet explain {}</code></p>\n",
                        html_prose(rule.summary), rule.code);
    out_ += reasons(group.findings.front().first->finding, shared.why, shared.help);
    for (const MergedFinding& merged : group.findings) write_finding(merged, shared);
    out_ += "</section>\n";
  }

  void write_finding(const MergedFinding& merged, Shared shared) {
    const ReportedFinding& reported = *merged.first;
    const Finding& f = reported.finding;
    const auto artifact = numbers_.find(f.where.artifact);
    out_ += fmt::format(
        "<article class=\"finding {}\" id=\"finding-{}\" data-severity=\"{}\" data-family=\"{}\" "
        "data-code=\"{}\" data-artifact=\"{}\">\n<h4>{}{}</h4>\n",
        name_of(f.severity), findings_.numbers.at(&reported), name_of(f.severity),
        family_of(*f.rule), f.rule->code, artifact == numbers_.end() ? 0 : artifact->second,
        severity_badge(f.severity), html_prose(merged.message));
    out_ += place_of(merged);
    if (!f.evidence.empty()) {
      out_ += "<ul class=\"evidence\" aria-label=\"Evidence\">";
      for (const Evidence& evidence : f.evidence) {
        out_ += fmt::format("<li>{}</li>", html_prose(evidence.text));
      }
      out_ += "</ul>\n";
    }
    out_ += reasons(f, !shared.why, !shared.help);
    if (f.confidence != Confidence::kHigh) {
      out_ += fmt::format("<p class=\"sure\">{} confidence</p>\n", name_of(f.confidence));
    }
    if (reported.status != FindingStatus::kNew) {
      out_ += fmt::format("<p class=\"sure\">{}{}</p>\n", name_of(reported.status),
                          reported.accepted_because.empty()
                              ? ""
                              : ": " + html_text(reported.accepted_because, kLongestMessage));
    }
    out_ += "</article>\n";
  }

  void write_left_out() {
    if (findings_.left_out > 0) {
      out_ += fmt::format(
          "<p>{} more are not on this page, which holds {} at most; the JSON report "
          "has all of them.</p>\n",
          counted(findings_.left_out, "finding"), grouped(PageFindings::kMost));
    }
    if (findings_.below_show > 0) {
      out_ += fmt::format("<p>{} below the level that was to be shown.</p>\n",
                          counted(findings_.below_show, "finding"));
    }
    if (report_.hidden_by_confidence > 0) {
      out_ += fmt::format("<p>{} below the confidence that was asked for.</p>\n",
                          counted(report_.hidden_by_confidence, "finding"));
    }
  }

  void write_accepted() {
    out_ +=
        fmt::format("<details class=\"accepted\"><summary><h3>Accepted before: {}</h3></summary>\n",
                    counted(findings_.accepted.size(), "finding"));
    for (const MergedFinding& merged : findings_.accepted) write_finding(merged, {false, false});
    out_ += "</details>\n";
  }

  const Report& report_;
  const PageFindings& findings_;
  std::vector<std::string_view> artifacts_;  ///< with findings, in the order of the report
  std::unordered_map<std::string_view, std::size_t> numbers_;  ///< places in `artifacts_`
  std::string out_;
};

}  // namespace

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(count), noun, count == 1 ? "" : "s");
}

std::string_view many_mark(std::size_t items) {
  return items > kManyItems ? " class=\"many\"" : "";
}

std::string severity_badge(Severity severity) {
  return fmt::format("<span class=\"badge {0}\">{0}</span> ", name_of(severity));
}

PageFindings page_findings(const Report& report, Severity show) {
  PageFindings page;
  std::vector<const ReportedFinding*> open, accepted;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.finding.severity < show) {
      ++page.below_show;
    } else {
      (finding.status == FindingStatus::kNew ? open : accepted).push_back(&finding);
    }
  }
  const auto by_severity = [](const MergedFinding& a, const MergedFinding& b) {
    return a.first->finding.severity > b.first->finding.severity;
  };
  std::vector<MergedFinding> merged = merge_repeated(open);
  std::stable_sort(merged.begin(), merged.end(), by_severity);
  page.accepted = merge_repeated(accepted);
  const auto cut = [&](std::vector<MergedFinding>& list, std::size_t most) {
    if (list.size() <= most) return;
    page.left_out += list.size() - most;
    list.resize(most);
  };
  cut(merged, PageFindings::kMost);
  cut(page.accepted, PageFindings::kMost - merged.size());

  for (const MergedFinding& one : merged) add_group(page.open, one);
  std::sort(page.open.begin(), page.open.end(),
            [](const PageFindings::Group& a, const PageFindings::Group& b) {
              return a.worst != b.worst ? a.worst > b.worst : a.rule->code < b.rule->code;
            });
  std::size_t number = 0;
  const auto give_number = [&](const MergedFinding& one) {
    ++number;
    for (const ReportedFinding* finding : one.all) page.numbers.emplace(finding, number);
  };
  for (const PageFindings::Group& group : page.open) {
    for (const MergedFinding& one : group.findings) give_number(one);
  }
  for (const MergedFinding& one : page.accepted) give_number(one);
  return page;
}

std::string findings_section(const Report& report, const PageFindings& findings) {
  return FindingsWriter(report, findings).write();
}

}  // namespace torchvet
