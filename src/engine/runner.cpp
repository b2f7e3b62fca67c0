#include "engine/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "rules/registry.h"

namespace torchvet {
namespace {

/// Calls what a rule brings. A rule that throws has a bug of ours, not of the artifact: the gap
/// says so by name, and the other rules go on.
template <typename T>
std::optional<T> guarded(const Rule& rule, std::vector<Gap>& gaps, const std::function<T()>& call) {
  std::string reason;
  try {
    return call();
  } catch (const std::exception& error) {
    reason = error.what();
  } catch (...) {
    reason = "unknown exception";
  }
  gaps.push_back({fmt::format("rule {}", rule.code), fmt::format("the rule failed: {}", reason)});
  return std::nullopt;
}

std::vector<Finding> run_one(const Rule& rule, const std::string& artifact_path,
                             const Limits& limits, std::vector<Gap>& gaps,
                             const std::function<std::vector<Finding>()>& call) {
  std::optional<std::vector<Finding>> findings = guarded<std::vector<Finding>>(rule, gaps, call);
  if (!findings) return {};
  if (findings->size() > limits.findings_per_rule) {
    gaps.push_back({fmt::format("rule {}", rule.code),
                    fmt::format("{} findings; only the first {} are listed", findings->size(),
                                limits.findings_per_rule)});
    findings->resize(limits.findings_per_rule);
  }
  for (Finding& finding : *findings) {
    finding.rule = &rule;
    if (finding.where.artifact.empty()) finding.where.artifact = artifact_path;
    if (finding.why.empty()) finding.why = rule.why;
    if (finding.help.empty()) finding.help = rule.help;
  }
  return std::move(*findings);
}

std::vector<const Rule*> by_code(std::span<const Rule* const> rules) {
  std::vector<const Rule*> sorted(rules.begin(), rules.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const Rule* a, const Rule* b) { return a->code < b->code; });
  return sorted;
}

void append(std::vector<Finding>& all, std::vector<Finding> more) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

}  // namespace

bool needs_graph(std::span<const Rule* const> rules) {
  return std::any_of(rules.begin(), rules.end(),
                     [](const Rule* rule) { return rule->needs == Needs::kGraph; });
}

std::vector<std::string_view> loaders_for(std::span<const Rule* const> rules) {
  std::set<std::string_view> loaders;
  for (const Rule* rule : rules) {
    if (rule->needs == Needs::kLoaders) loaders.insert(rule->loader);
  }
  return {loaders.begin(), loaders.end()};
}

ValueWishes plan_values(std::span<const Rule* const> rules, Artifact& artifact) {
  ValueWishes wishes;
  std::map<TensorId, Quantities> wanted;
  for (const Rule* rule : rules) {
    if (rule->wants == nullptr) continue;
    const std::optional<ValuePlan> plan =
        guarded<ValuePlan>(*rule, artifact.gaps, [&] { return rule->wants(artifact); });
    if (!plan) continue;
    if (plan->items.empty()) wishes.silent.push_back(rule);
    for (const ValuePlan::Item& item : plan->items) {
      if (item.tensor < artifact.tensors.size()) wanted[item.tensor] |= item.quantities;
    }
  }
  for (const auto& [tensor, quantities] : wanted) {
    wishes.plan.items.push_back({tensor, quantities});
  }
  return wishes;
}

std::vector<ReportedSkip> skipped_by(std::span<const Rule* const> rules,
                                     const Preparation& prepared,
                                     std::span<const Finding> findings) {
  ReportedSkip no_program{"it holds no program", {}}, no_graph{"its program was not read", {}};
  ReportedSkip no_numbers{"it asks for no numbers of it", {}};
  ReportedSkip no_values{"its numbers were not read", {}};
  for (const Rule* rule : by_code(rules)) {
    const bool silent = std::find(prepared.silent.begin(), prepared.silent.end(), rule) !=
                        prepared.silent.end();
    ReportedSkip* skip = nullptr;
    if (rule->needs == Needs::kGraph && prepared.has_program && !prepared.graphs_read) {
      skip = &no_graph;
    } else if (rule->needs == Needs::kGraph && !prepared.has_program) {
      skip = rule->judges_without_program ? nullptr : &no_program;
    } else if (rule->needs == Needs::kValues && silent) {
      skip = &no_numbers;
    } else if (rule->needs == Needs::kValues && !prepared.values_read) {
      skip = &no_values;
    }
    if (skip == nullptr) continue;
    const bool found = std::any_of(findings.begin(), findings.end(),
                                   [&](const Finding& one) { return one.rule == rule; });
    if (!found) skip->codes.emplace_back(rule->code);
  }
  std::vector<ReportedSkip> skipped;
  for (ReportedSkip* skip : {&no_program, &no_graph, &no_numbers, &no_values}) {
    if (!skip->codes.empty()) skipped.push_back(std::move(*skip));
  }
  return skipped;
}

ReportedSkip skip_all(std::span<const Rule* const> rules, std::string why) {
  ReportedSkip skip{std::move(why), {}};
  for (const Rule* rule : by_code(rules)) skip.codes.emplace_back(rule->code);
  return skip;
}

namespace {

/// A fault in spite of which everything was read leaves no gap, as a rule tells of it. Where none does
/// it would pass in silence: no rule knows its code, or those that do are silent about such a file.
/// A rule that was not asked is the user's choice.
void add_gaps_of_untold_faults(std::span<const Rule* const> asked,
                               const std::vector<Finding>& findings, Artifact& artifact) {
  const auto knows = [](const Rule* rule, ErrorCode code) {
    return std::find(rule->faults.begin(), rule->faults.end(), code) != rule->faults.end();
  };
  std::set<ErrorCode> untold, told;
  for (const Fault& fault : artifact.faults) {
    const ErrorCode code = fault.error.code;
    if (!fault.left_gap && !told.contains(code) && !untold.contains(code)) {
      const auto tells = [&](const Rule* rule) {
        return knows(rule, code) &&
               (std::find(asked.begin(), asked.end(), rule) == asked.end() ||
                std::any_of(findings.begin(), findings.end(),
                            [&](const Finding& finding) { return finding.rule == rule; }));
      };
      const std::span<const Rule* const> all = all_rules();
      (std::any_of(all.begin(), all.end(), tells) ? told : untold).insert(code);
    }
  }
  for (Fault& fault : artifact.faults) {
    if (fault.left_gap || !untold.contains(fault.error.code)) continue;
    fault.left_gap = true;
    artifact.add_gap(fault.member.empty() ? "file" : fault.member,
                     fmt::format("{} ({}), of which no rule tells", fault.error.detail,
                                 name_of(fault.error.code)));
  }
}

}  // namespace

std::vector<Finding> run_rules(std::span<const Rule* const> rules, Artifact& artifact,
                               const Intent& intent, const Limits& limits) {
  std::vector<Finding> all;
  for (const Rule* rule : by_code(rules)) {
    if (rule->check == nullptr) continue;
    append(all, run_one(*rule, artifact.source.path, limits, artifact.gaps,
                        [&] { return rule->check(artifact, intent); }));
  }
  add_gaps_of_untold_faults(rules, all, artifact);
  return all;
}

std::vector<Finding> run_series_rules(std::span<const Rule* const> rules, const Series& series,
                                      const Intent& intent, const Limits& limits,
                                      std::vector<Gap>& gaps) {
  const std::string newest =
      series.snapshots.empty() ? "" : series.snapshots.back().path;
  std::vector<Finding> all;
  for (const Rule* rule : by_code(rules)) {
    if (rule->check_series == nullptr) continue;
    append(all, run_one(*rule, newest, limits, gaps,
                        [&] { return rule->check_series(series, intent); }));
  }
  return all;
}

std::vector<ReportedUnseen> unseen_by(std::span<const Rule* const> rules,
                                      const Artifact& artifact) {
  std::vector<ReportedUnseen> unseen;
  for (const Rule* rule : by_code(rules)) {
    if (rule->unseen == nullptr) continue;
    const std::string_view what = rule->unseen(artifact);
    if (!what.empty()) unseen.push_back({std::string(rule->code), std::string(what)});
  }
  return unseen;
}

}  // namespace torchvet
