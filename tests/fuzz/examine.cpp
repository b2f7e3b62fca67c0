#include "examine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/runner.h"
#include "engine/verdict.h"
#include "formats/read.h"
#include "io/source.h"
#include "report/html.h"
#include "report/json.h"
#include "report/text.h"
#include "rules/registry.h"
#include "values/values.h"

namespace torchvet {
namespace {

[[noreturn]] void give_up(const std::string& problem) {
  std::fprintf(stderr, "broken promise: %s\n", problem.c_str());
  std::abort();
}

std::vector<const Rule*> rules_without_series() {
  std::vector<const Rule*> rules;
  for (const Rule* rule : all_rules()) {
    if (rule->check) rules.push_back(rule);
  }
  return rules;
}

bool is_harmless(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f;
  });
}

std::size_t count_of(std::string_view what, std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

/// Nothing from the file may act on a terminal or begin or end a script of the page, and the JSON
/// must be JSON.
void check_reports(const Report& report) {
  if (!is_harmless(text_report(report, {.verbose = true, .statistics = true}))) {
    give_up("the text report has a control byte in it");
  }
  if (!nlohmann::json::accept(json_report(report))) give_up("the JSON report is no JSON");
  const std::string page = html_report(report, {});
  if (!is_harmless(page)) give_up("the HTML report has a control byte in it");
  const std::size_t scripts = 1 + count_of("<details class=\"model\"", page);
  if (count_of("<script", page) != scripts || count_of("</script", page) != scripts ||
      count_of("<!--", page) != 0) {
    give_up("the HTML report has a script that is not its own");
  }
}

}  // namespace

Examined examine(const std::string& name, std::string bytes) {
  static const std::vector<const Rule*> rules = rules_without_series();
  const std::shared_ptr<Source> source = Source::from_bytes(name, std::move(bytes));
  ReadOptions reading;
  reading.loaders_of = kNewestTorch;
  Artifact artifact = read_artifact(source, reading);
  std::string problem = broken_promise(artifact, source->bytes());
  if (!problem.empty()) give_up(problem);

  const std::size_t gaps_before = artifact.gaps.size();
  compute_values(artifact, plan_values(rules, artifact).plan, {});
  Checked checked;
  checked.findings = run_rules(rules, artifact, {}, {});
  for (std::size_t i = gaps_before; i < artifact.gaps.size(); ++i) {
    if (artifact.gaps[i].why.starts_with("the rule failed")) {
      give_up(artifact.gaps[i].what + ": " + artifact.gaps[i].why);
    }
  }
  checked.artifact.path = name;
  checked.artifact.gaps = artifact.gaps;
  const Examined result{artifact.format, artifact.faults.size(), artifact.gaps.size(),
                        checked.findings.size()};
  compute_values(artifact, plan_of_shown(artifact), {});
  checked.artifact.model = report_of(artifact);
  std::vector<Checked> all;
  all.push_back(std::move(checked));
  check_reports(judge(std::move(all), rules, {}));
  return result;
}

}  // namespace torchvet
