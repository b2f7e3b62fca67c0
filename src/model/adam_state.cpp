#include "model/adam_state.h"

namespace torchvet {
namespace {

std::optional<TensorId> slot_of(const OptimizerEntry& entry, std::string_view name) {
  for (const auto& [slot, tensor] : entry.slots) {
    if (slot == name) return tensor;
  }
  return std::nullopt;
}

}  // namespace

AdamNumbers adam_numbers(const Artifact& artifact, const OptimizerState& optimizer,
                         std::size_t group) {
  AdamNumbers found;
  for (const auto& [name, number] : optimizer.groups[group].numbers) {
    if (name == "eps") found.eps = number;
  }
  const ObjectTree& tree = artifact.objects;
  ObjectId groups = tree.get(optimizer.object, "param_groups");
  if (groups == kNoObject) {
    groups = tree.get(tree.attributes(optimizer.object), "param_groups");
  }
  const std::vector<ObjectId>* all = tree.sequence(groups);
  if (all == nullptr || group >= all->size()) return found;
  const std::vector<ObjectId>* betas = tree.sequence(tree.get((*all)[group], "betas"));
  if (betas != nullptr && betas->size() == 2) found.beta2 = tree.number((*betas)[1]);
  return found;
}

std::optional<TensorId> adam_slot(const OptimizerEntry& entry, std::string_view slot) {
  const bool both = slot_of(entry, "exp_avg") && slot_of(entry, "exp_avg_sq");
  return both ? slot_of(entry, slot) : std::nullopt;
}

}  // namespace torchvet
