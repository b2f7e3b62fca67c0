#include "engine/policy.h"

#include <algorithm>
#include <set>

#include "engine/glob.h"

namespace torchvet {

const SeverityOverride* severity_for(std::span<const SeverityOverride> severities, const Rule& rule,
                                     const std::string& artifact_id) {
  const SeverityOverride* last = nullptr;
  for (const SeverityOverride& one : severities) {
    const bool fits = one.match.empty() || glob_matches_path(one.match, artifact_id);
    if (one.rule == &rule && fits) last = &one;
  }
  return last;
}

Selection selection_for(const Policy& policy, const std::string& artifact_id) {
  Selection selection = policy.selection;
  for (const PathSelection& path : policy.paths) {
    if (!glob_matches_path(path.match, artifact_id)) continue;
    if (!path.select.empty()) selection.select = path.select;
    selection.ignore.insert(selection.ignore.end(), path.ignore.begin(), path.ignore.end());
  }
  return selection;
}

std::vector<const Rule*> rules_for(const Policy& policy, std::span<const Rule* const> rules,
                                   const std::string& artifact_id) {
  std::vector<const Rule*> found(rules.begin(), rules.end());
  if (policy.paths.empty()) return found;
  const Selection selection = selection_for(policy, artifact_id);
  found.erase(std::remove_if(found.begin(), found.end(),
                             [&](const Rule* rule) { return !decide(*rule, selection).runs; }),
              found.end());
  return found;
}

Result<std::vector<const Rule*>> rules_of(const Policy& policy,
                                          std::span<const Rule* const> table) {
  Result<std::vector<const Rule*>> all = select_rules(policy.selection, table);
  if (!all) return all;
  // What a path leaves out on top takes rules away from it alone, so it does not count here.
  std::set<const Rule*> chosen(all->begin(), all->end());
  for (const PathSelection& path : policy.paths) {
    Selection selection = policy.selection;
    selection.select = path.select;
    const Result<std::vector<const Rule*>> more = select_rules(selection, table);
    if (!more) return more;
    if (!path.select.empty()) chosen.insert(more->begin(), more->end());
  }
  all->assign(chosen.begin(), chosen.end());
  std::sort(all->begin(), all->end(),
            [](const Rule* a, const Rule* b) { return a->code < b->code; });
  return all;
}

}  // namespace torchvet
