#include "model/name_groups.h"

#include <cstdint>
#include <map>

#include "model/model_state.h"

namespace torchvet {
namespace {

/// How many names lie below a module, and how many of those are marked.
struct Tally {
  std::uint64_t all = 0;
  std::uint64_t marked = 0;
};
using Tallies = std::map<std::string_view, Tally, std::less<>>;

void count(Tallies& tallies, const MarkedName& name) {
  for (std::string_view module = module_of(name.name); !module.empty();
       module = module_of(module)) {
    Tally& tally = tallies[module];
    ++tally.all;
    tally.marked += name.marked ? 1 : 0;
  }
}

/// The largest module around a name in which nothing is unmarked.
std::string_view wholly_marked_module(const Tallies& tallies, std::string_view name) {
  std::string_view largest;
  for (std::string_view module = module_of(name); !module.empty(); module = module_of(module)) {
    const Tally& tally = tallies.find(module)->second;
    if (tally.marked < tally.all) break;
    largest = module;
  }
  return largest;
}

std::string common_module(const std::vector<MarkedName>& names, const NameGroup& group) {
  std::string_view common = module_of(names[group.members.front()].name);
  for (const std::size_t member : group.members) {
    const std::string_view name = names[member].name;
    while (!common.empty() &&
           !(name.starts_with(common) && name.substr(common.size()).starts_with('.'))) {
      common = module_of(common);
    }
  }
  return std::string(common);
}

}  // namespace

std::vector<NameGroup> group_marked(const std::vector<MarkedName>& names) {
  Tallies tallies;
  for (const MarkedName& name : names) count(tallies, name);
  std::vector<NameGroup> groups;
  std::map<std::string_view, std::size_t> group_of;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].marked) continue;
    const std::string_view module = wholly_marked_module(tallies, names[i].name);
    const auto [known, added] = group_of.emplace(module, groups.size());
    if (added || module.empty()) {
      known->second = groups.size();
      groups.push_back({});
    }
    groups[known->second].members.push_back(i);
  }
  for (NameGroup& group : groups) group.module = common_module(names, group);
  return groups;
}

}  // namespace torchvet
