#include "model/optimizer_evidence.h"

#include <map>
#include <string_view>
#include <utility>

namespace torchvet {
namespace {

/// True when the values were computed and every one of them is zero.
bool all_zero(const Artifact& artifact, TensorId id) {
  const std::optional<ValueFacts>& values = artifact.tensors[id].values;
  return values && (values->computed & kMoments) != 0 && values->count > 0 &&
         values->zero == values->count;
}

bool unreached(const Artifact& artifact, const OptimizerEntry* entry) {
  if (!entry) return true;
  if (entry->slots.empty() && !entry->step && !entry->step_tensor) return true;
  const std::optional<TensorId> moment = second_moment_of(*entry);
  return moment && all_zero(artifact, *moment);
}

/// Counts for each module, named by its path, how many listed parameters lie below it and how many
/// of those are unreached.
struct Tally {
  std::uint64_t listed = 0;
  std::uint64_t unreached = 0;
};
using Tallies = std::map<std::string_view, Tally, std::less<>>;

void count(Tallies& tallies, std::string_view name, bool is_unreached) {
  for (std::string_view module = module_of(name); !module.empty(); module = module_of(module)) {
    Tally& tally = tallies[module];
    ++tally.listed;
    tally.unreached += is_unreached ? 1 : 0;
  }
}

/// The largest module around a parameter in which nothing listed was reached.
std::string_view unreached_module(const Tallies& tallies, std::string_view name) {
  std::string_view largest;
  for (std::string_view module = module_of(name); !module.empty(); module = module_of(module)) {
    const Tally& tally = tallies.find(module)->second;
    if (tally.unreached < tally.listed) break;
    largest = module;
  }
  return largest;
}

/// The innermost module around all of them.
std::string common_module(const std::vector<UnreachedParameter>& parameters) {
  std::string_view common = module_of(parameters.front().entry.name);
  for (const UnreachedParameter& parameter : parameters) {
    const std::string_view name = parameter.entry.name;
    while (!common.empty() &&
           !(name.starts_with(common) && name.substr(common.size()).starts_with('.'))) {
      common = module_of(common);
    }
  }
  return std::string(common);
}

void group_by_module(const std::vector<std::pair<const AlignedParameter*, bool>>& named,
                     GradientEvidence& evidence) {
  Tallies tallies;
  for (const auto& [parameter, is_unreached] : named) {
    count(tallies, parameter->parameter->name, is_unreached);
  }
  std::map<std::string_view, std::size_t> group_of;
  for (const auto& [parameter, is_unreached] : named) {
    if (!is_unreached) continue;
    const std::string_view module = unreached_module(tallies, parameter->parameter->name);
    const auto [known, added] = group_of.emplace(module, evidence.groups.size());
    if (added || module.empty()) {
      known->second = evidence.groups.size();
      evidence.groups.push_back({std::string(module), {}});
    }
    evidence.groups[known->second].parameters.push_back(
        {*parameter->parameter, parameter->entry && !parameter->entry->slots.empty()});
  }
  for (UnreachedGroup& group : evidence.groups) group.module = common_module(group.parameters);
}

}  // namespace

std::optional<TensorId> second_moment_of(const OptimizerEntry& entry) {
  for (const std::string_view name : {"exp_avg_sq", "square_avg", "sum"}) {
    for (const auto& [slot, tensor] : entry.slots) {
      if (slot == name) return tensor;
    }
  }
  return std::nullopt;
}

GradientEvidence gradient_evidence(const Artifact& artifact, const OptimizerState& optimizer) {
  GradientEvidence evidence;
  evidence.optimizer = &optimizer;
  const OptimizerAlignment alignment = align_optimizer(artifact, optimizer);
  evidence.model = alignment.model;
  evidence.listed = alignment.parameters.size();
  std::vector<std::pair<const AlignedParameter*, bool>> named;
  for (const AlignedParameter& listed : alignment.parameters) {
    const bool is_unreached = unreached(artifact, listed.entry);
    evidence.unreached += is_unreached ? 1 : 0;
    evidence.unnamed += is_unreached && !listed.parameter ? 1 : 0;
    if (listed.parameter) named.emplace_back(&listed, is_unreached);
  }
  if (evidence.unreached == evidence.listed) {
    // This optimizer keeps no state, or has not begun.
    evidence.unreached = evidence.unnamed = 0;
    return evidence;
  }
  group_by_module(named, evidence);
  return evidence;
}

}  // namespace torchvet
