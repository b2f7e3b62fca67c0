// Was this parameter ever trained? One file answers by what a random initialisation leaves in the
// numbers themselves, which the first gradient step destroys (kFingerprint), and norm layers by
// their exact defaults. Absence of the mark says less: it is called a move only for float32 tensors
// so large that every draw of the usual initialisations would have been recognised, and even those
// may come from another one (orthogonal_, a draw on a GPU). So whether the file was trained at all
// is asked of other things: the optimizer, and norm layers, which start at constants. (Other biases
// are no witness: some networks give a part of them numbers of their own.)
#include "model/never_trained.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>

#include "model/optimizer_evidence.h"
#include "model/weights.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kFewestDrawn = 64;     ///< below, no test of a draw can tell
constexpr std::uint64_t kSurelyDrawn = 1024;   ///< from here on, every draw is recognised
constexpr std::uint64_t kSurelyUniform = 256;  ///< the same for biases, which are never normal
constexpr std::uint64_t kFewestChannels = 8;   ///< of a norm layer
constexpr double kFewestSteps = 10;

/// A layer with one weight and one bias a channel, as norm layers have them.
struct Norm {
  TensorId weight = 0, bias = 0;
};

/// By the name of the layer's weight.
std::unordered_map<std::string_view, Norm> norms_of(const Artifact& artifact,
                                                    const StateDict& state) {
  std::unordered_map<std::string_view, TensorId> by_name;
  for (const StateEntry& entry : state.entries) by_name.emplace(entry.name, entry.tensor);
  std::unordered_map<std::string_view, Norm> norms;
  for (const StateEntry& entry : state.entries) {
    if (leaf_of(entry.name) != "weight" || !is_weight(artifact, entry)) continue;
    const Tensor& weight = artifact.tensors[entry.tensor];
    if (weight.shape.size() != 1 || weight.element_count().value_or(0) < kFewestChannels) continue;
    std::string bias_name = entry.name.substr(0, entry.name.size() - 6) + "bias";
    const auto bias = by_name.find(bias_name);
    if (bias == by_name.end() || artifact.tensors[bias->second].shape != weight.shape) continue;
    norms.emplace(entry.name, Norm{entry.tensor, bias->second});
    norms.emplace(bias->first, Norm{entry.tensor, bias->second});
  }
  return norms;
}

const ValueFacts* moments_of(const Artifact& artifact, TensorId tensor) {
  const std::optional<ValueFacts>& values = artifact.tensors[tensor].values;
  return values && (values->computed & kMoments) != 0 && values->numbers > 0 ? &*values : nullptr;
}

TrainingMark mark_of_norm(const Artifact& artifact, const Norm& norm) {
  // Below rounding, updates of 16-bit weights are lost: there a default says nothing.
  const DType dtype = artifact.tensors[norm.weight].dtype;
  if (dtype != DType::kFloat32 && dtype != DType::kFloat64) return TrainingMark::kUnknown;
  const ValueFacts *weight = moments_of(artifact, norm.weight),
                   *bias = moments_of(artifact, norm.bias);
  if (!weight || !bias) return TrainingMark::kUnknown;
  if (weight->all_equal && weight->first == 1 && bias->all_equal && bias->first == 0) {
    return TrainingMark::kDefault;
  }
  // One number for all channels is what an initialisation leaves, whichever number it is.
  return weight->all_equal || bias->all_equal ? TrainingMark::kUnknown : TrainingMark::kMoved;
}

TrainingMark mark_of_draw(const Tensor& tensor) {
  if (!tensor.values || !tensor.values->fingerprint) return TrainingMark::kUnknown;
  if (tensor.values->fingerprint->kind != InitFingerprint::kNone) return TrainingMark::kDrawn;
  const std::uint64_t enough = tensor.shape.size() >= 2 ? kSurelyDrawn : kSurelyUniform;
  return tensor.values->count < enough || tensor.values->all_equal ? TrainingMark::kUnknown
                                                                   : TrainingMark::kMoved;
}

/// False while a gradient that is exactly zero at first, as behind a layer that begins at zero, may
/// be the reason why a parameter did not move. An optimizer that counts no steps is taken at its
/// word unless batch norm saw few batches.
bool trained_long_enough(const Artifact& artifact, const OptimizerState& optimizer,
                         bool few_batches) {
  return std::any_of(optimizer.state.begin(), optimizer.state.end(), [&](const auto& entry) {
    if (const std::optional<double> step = step_of(artifact, entry)) return *step >= kFewestSteps;
    if (few_batches) return false;
    const std::optional<TensorId> moment = second_moment_of(entry);
    return !entry.slots.empty() && !(moment && all_zero(artifact.tensors[*moment].values));
  });
}

bool counts_batches(const StateEntry& entry) {
  return leaf_of(entry.name) == "num_batches_tracked";
}

/// True when batch norm saw some batches, but fewer than a training takes. Files that other
/// programs made have 0 in all of them, which tells nothing.
bool saw_few_batches(const Artifact& artifact, const StateDict& state) {
  double most = 0;
  for (const StateEntry& entry : state.entries) {
    const std::optional<ValueFacts>& values = artifact.tensors[entry.tensor].values;
    const bool counted = counts_batches(entry) && values && (values->computed & kMoments) != 0;
    if (counted) most = std::max(most, values->max);
  }
  return most > 0 && most < kFewestSteps;
}

}  // namespace

void want_training_marks(const Artifact& artifact, ValuePlan& plan) {
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    const std::unordered_map<std::string_view, Norm> norms = norms_of(artifact, state);
    for (const StateEntry& entry : state.entries) {
      if (counts_batches(entry)) plan.items.push_back({entry.tensor, kMoments});
      if (!is_weight(artifact, entry)) continue;
      const Tensor& tensor = artifact.tensors[entry.tensor];
      if (norms.contains(entry.name)) {
        plan.items.push_back({entry.tensor, kMoments});
      } else if (tensor.dtype == DType::kFloat32 &&
                 tensor.element_count().value_or(0) >= kFewestDrawn) {
        plan.items.push_back({entry.tensor, kFingerprint | kMoments});
      }
    }
  }
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (const auto slot = gradient_trace_of(entry)) plan.items.push_back({*slot, kMoments});
      if (entry.step_tensor) plan.items.push_back({*entry.step_tensor, kMoments});
    }
  }
}

TrainingMarks training_marks(const Artifact& artifact, const StateDict& state) {
  TrainingMarks marks;
  std::unordered_map<TensorId, GradientWitness> witnesses;
  const bool few_batches = saw_few_batches(artifact, state);
  bool just_begun = few_batches;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    const GradientEvidence evidence = gradient_evidence(artifact, optimizer);
    if (evidence.model != &state) continue;
    const bool long_enough = trained_long_enough(artifact, optimizer, few_batches);
    marks.trained = marks.trained || long_enough;
    just_begun = just_begun || (!long_enough && !optimizer.state.empty());
    for (const UnreachedGroup& group : evidence.groups) {
      for (const UnreachedParameter& parameter : group.parameters) {
        witnesses[parameter.entry.tensor] = GradientWitness::kNone;
      }
    }
    for (const ReachedParameter& parameter : evidence.reached) {
      witnesses[parameter.tensor] = parameter.counts_steps ? GradientWitness::kReached
                                                           : GradientWitness::kReachedUncounted;
    }
  }
  const bool some_learn = std::any_of(
      state.entries.begin(), state.entries.end(),
      [&](const StateEntry& entry) { return artifact.tensors[entry.tensor].requires_grad; });
  const std::unordered_map<std::string_view, Norm> norms = norms_of(artifact, state);
  for (const StateEntry& entry : state.entries) {
    if (!is_weight(artifact, entry)) continue;
    const Tensor& tensor = artifact.tensors[entry.tensor];
    const auto norm = norms.find(entry.name);
    const TrainingMark mark =
        norm != norms.end() ? mark_of_norm(artifact, norm->second) : mark_of_draw(tensor);
    if (mark == TrainingMark::kUnknown) continue;
    const auto witness = witnesses.find(entry.tensor);
    marks.parameters.push_back(
        {entry, mark, some_learn && !tensor.requires_grad,
         witness == witnesses.end() ? GradientWitness::kSilent : witness->second});
    if (tensor.shape.size() >= 2) {
      marks.drawn_matrices += mark == TrainingMark::kDrawn ? 1 : 0;
      marks.drawn_elements += mark == TrainingMark::kDrawn ? tensor.values->count : 0;
      marks.moved_matrices += mark == TrainingMark::kMoved ? 1 : 0;
    } else if (norm != norms.end() && entry.tensor == norm->second.weight) {
      marks.moved_norms += mark == TrainingMark::kMoved ? 1 : 0;
    }
  }
  if (!just_begun) marks.trained = marks.trained || marks.moved_norms > 0;
  return marks;
}

}  // namespace torchvet
