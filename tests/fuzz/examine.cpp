#include "examine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/runner.h"
#include "engine/verdict.h"
#include "formats/read.h"
#include "io/source.h"
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

/// Nothing from the file may act on a terminal, and the JSON must be JSON.
void check_reports(const Report& report) {
  const std::string text = text_report(report, {.verbose = true, .statistics = true});
  const bool harmless = std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f;
  });
  if (!harmless) give_up("the text report has a control byte in it");
  if (!nlohmann::json::accept(json_report(report))) give_up("the JSON report is no JSON");
}

}  // namespace

Examined examine(const std::string& name, std::string bytes) {
  static const std::vector<const Rule*> rules = rules_without_series();
  const std::shared_ptr<Source> source = Source::from_bytes(name, std::move(bytes));
  Artifact artifact = read_artifact(source, {});
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
  std::vector<Checked> all;
  all.push_back(std::move(checked));
  check_reports(judge(std::move(all), rules, {}));
  return result;
}

}  // namespace torchvet
