// The last step of the flow: which leaves each definition has in its whole backward slice.
#include "graph/flow.h"

namespace torchvet {

/// Spreads the leaves from every definition to those made of it. A definition changes at most once
/// for each bit, so this ends soon even where loops make cycles.
void spread_leaves(std::vector<Definition>& definitions) {
  std::vector<std::uint32_t> first(definitions.size() + 1);
  for (const Definition& definition : definitions) {
    for (const DefId input : definition.inputs) ++first[input + 1];
  }
  for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  std::vector<DefId> users(first.back());
  std::vector<std::uint32_t> filled(first.begin(), first.end() - 1);
  for (DefId id = 0; id < definitions.size(); ++id) {
    for (const DefId input : definitions[id].inputs) users[filled[input]++] = id;
  }
  std::vector<DefId> changed;
  for (DefId id = 0; id < definitions.size(); ++id) {
    if (definitions[id].leaves != 0) changed.push_back(id);
  }
  while (!changed.empty()) {
    const DefId id = changed.back();
    changed.pop_back();
    for (std::uint32_t i = first[id]; i < first[id + 1]; ++i) {
      Definition& user = definitions[users[i]];
      const std::uint32_t leaves = user.leaves | definitions[id].leaves;
      if (leaves == user.leaves) continue;
      user.leaves = leaves;
      changed.push_back(users[i]);
    }
  }
}

}  // namespace torchvet
