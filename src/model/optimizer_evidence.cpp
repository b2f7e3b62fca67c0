#include "model/optimizer_evidence.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "model/name_groups.h"

namespace torchvet {
namespace {

/// Adagrad makes its state before the first step, so a step of 0 is evidence too.
bool is_adagrad(const OptimizerEntry& entry) {
  return std::any_of(entry.slots.begin(), entry.slots.end(),
                     [](const auto& slot) { return slot.first == "sum"; });
}

bool unreached(const Artifact& artifact, const OptimizerEntry* entry) {
  if (!entry) return true;
  if (entry->slots.empty() && !entry->step && !entry->step_tensor) return true;
  const std::optional<TensorId> moment = second_moment_of(*entry);
  if (!moment || !all_zero(artifact.tensors[*moment].values)) return false;
  // Behind a layer that begins at 0 the first gradients are exactly 0.
  constexpr double kFewestSteps = 10;
  const std::optional<double> step = step_of(artifact, *entry);
  return is_adagrad(*entry) || !step || *step >= kFewestSteps;
}

std::optional<TensorId> slot_of(const OptimizerEntry& entry, std::string_view name) {
  for (const auto& [slot, tensor] : entry.slots) {
    if (slot == name) return tensor;
  }
  return std::nullopt;
}

bool holds_a_trace(const Artifact& artifact, const OptimizerEntry& entry) {
  const std::optional<TensorId> trace = gradient_trace_of(entry);
  if (!trace) return false;
  const std::optional<ValueFacts>& values = artifact.tensors[*trace].values;
  return values && (values->computed & kMoments) != 0 && values->numbers > 0 && !all_zero(values);
}

/// L-BFGS takes all parameters for one vector, and keeps its state under the first.
bool is_of_all(const OptimizerEntry& entry) {
  return std::find(entry.others.begin(), entry.others.end(), "func_evals") != entry.others.end();
}

void group_by_module(const std::vector<std::pair<const AlignedParameter*, bool>>& named,
                     GradientEvidence& evidence) {
  std::vector<MarkedName> names;
  for (const auto& [parameter, is_unreached] : named) {
    names.push_back({parameter->parameter->name, is_unreached});
  }
  for (NameGroup& group : group_marked(names)) {
    UnreachedGroup unreached_group{std::move(group.module), {}};
    for (const std::size_t member : group.members) {
      const AlignedParameter& parameter = *named[member].first;
      unreached_group.parameters.push_back(
          {*parameter.parameter, parameter.entry && !parameter.entry->slots.empty()});
    }
    evidence.groups.push_back(std::move(unreached_group));
  }
}

}  // namespace

std::optional<TensorId> second_moment_of(const OptimizerEntry& entry) {
  for (const std::string_view name : {"exp_avg_sq", "square_avg", "sum"}) {
    if (const std::optional<TensorId> slot = slot_of(entry, name)) return slot;
  }
  return std::nullopt;
}

std::optional<TensorId> gradient_trace_of(const OptimizerEntry& entry) {
  const std::optional<TensorId> second = second_moment_of(entry);
  return second ? second : slot_of(entry, "momentum_buffer");
}

std::optional<double> step_of(const Artifact& artifact, const OptimizerEntry& entry) {
  if (entry.step || !entry.step_tensor) return entry.step;
  const std::optional<ValueFacts>& values = artifact.tensors[*entry.step_tensor].values;
  if (!values || (values->computed & kMoments) == 0 || values->count != 1) return std::nullopt;
  return values->first;
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
    if (!listed.parameter) continue;
    named.emplace_back(&listed, is_unreached);
    if (listed.entry && holds_a_trace(artifact, *listed.entry)) {
      evidence.reached.push_back({listed.parameter->tensor, step_of(artifact, *listed.entry).has_value()});
    }
  }
  const bool of_all = std::any_of(optimizer.state.begin(), optimizer.state.end(), is_of_all);
  if (evidence.unreached == evidence.listed || of_all) {
    // This optimizer keeps no state, has not begun, or does not tell parameters apart.
    evidence.unreached = evidence.unnamed = 0;
    return evidence;
  }
  group_by_module(named, evidence);
  return evidence;
}

}  // namespace torchvet
