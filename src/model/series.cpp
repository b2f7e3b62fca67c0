#include "model/series.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "model/optimizer_evidence.h"

namespace torchvet {
namespace {

/// Prefixes that DataParallel, torch.compile and FSDP put before every name of a model.
constexpr std::array<std::string_view, 4> kWrappers = {"module.", "_orig_mod.", "_forward_module.",
                                                       "_fsdp_wrapped_module."};

/// Characters of wrappers that stand before every name.
std::size_t wrapper_length(const StateDict& model) {
  std::size_t length = 0;
  for (bool found = !model.entries.empty(); found;) {
    found = false;
    for (const std::string_view wrapper : kWrappers) {
      const auto has = [&](const StateEntry& entry) {
        return std::string_view(entry.name).substr(length).starts_with(wrapper);
      };
      if (!std::all_of(model.entries.begin(), model.entries.end(), has)) continue;
      length += wrapper.size();
      found = true;
    }
  }
  return length;
}

const std::optional<ValueFacts>& values_of(const Artifact& artifact, TensorId id) {
  return artifact.tensors[id].values;
}

/// The first snapshot and each later one differ: no interval may be unknown.
template <typename Steps>
bool all_rise(const Steps& steps) {
  return std::adjacent_find(steps.begin(), steps.end(), std::greater_equal<>()) == steps.end();
}

}  // namespace

StateDict model_of(const Artifact& artifact) {
  if (!artifact.state_dicts.empty()) return artifact.state_dicts.front();
  if (!artifact.modules.empty()) return state_of_module(artifact, 0);
  return {};
}

ValuePlan series_plan(const Artifact& artifact) {
  std::map<TensorId, Quantities> wanted;
  for (const StateEntry& entry : model_of(artifact).entries) wanted[entry.tensor] |= kDigest;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (entry.step_tensor) wanted[*entry.step_tensor] |= kMoments;
      if (const auto moment = second_moment_of(entry)) wanted[*moment] |= kMoments;
    }
  }
  ValuePlan plan;
  for (const auto& [tensor, quantities] : wanted) plan.items.push_back({tensor, quantities});
  return plan;
}

std::vector<Track> tracks_of(const Series& series) {
  const std::size_t count = series.snapshots.size();
  std::vector<Track> tracks;
  std::map<std::string, std::size_t, std::less<>> index;
  for (std::size_t snapshot = count; snapshot-- > 0;) {
    const Artifact& artifact = *series.snapshots[snapshot].artifact;
    const StateDict model = model_of(artifact);
    const std::size_t wrapper = wrapper_length(model);
    for (const StateEntry& entry : model.entries) {
      const std::string name = entry.name.substr(wrapper);
      const auto [known, added] = index.emplace(name, tracks.size());
      if (added) {
        const bool is_parameter = artifact.tensors[entry.tensor].role == TensorRole::kParameter;
        tracks.push_back({name, is_parameter, std::vector<std::optional<TensorId>>(count)});
      }
      tracks[known->second].at[snapshot] = entry.tensor;
    }
  }
  return tracks;
}

Movement movement(const Series& series, const Track& track, std::size_t to) {
  const auto before = track.at[to - 1], after = track.at[to];
  if (!before || !after) return Movement::kUnknown;
  const Artifact& old_file = *series.snapshots[to - 1].artifact;
  const Artifact& new_file = *series.snapshots[to].artifact;
  const Tensor& old_tensor = old_file.tensors[*before];
  const Tensor& new_tensor = new_file.tensors[*after];
  if (old_tensor.shape != new_tensor.shape || old_tensor.dtype != new_tensor.dtype) {
    return Movement::kUnknown;
  }
  const auto& old_values = values_of(old_file, *before);
  const auto& new_values = values_of(new_file, *after);
  if (!old_values || !old_values->digest || !new_values || !new_values->digest) {
    return Movement::kUnknown;
  }
  return *old_values->digest == *new_values->digest ? Movement::kSame : Movement::kMoved;
}

Movement movement(const Series& series, const Track& track) {
  Movement whole = Movement::kSame;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    const Movement one = movement(series, track, to);
    if (one == Movement::kMoved) return Movement::kMoved;
    if (one == Movement::kUnknown) whole = Movement::kUnknown;
  }
  return whole;
}

bool training_advanced(const Series& series, const std::vector<Track>& tracks) {
  std::vector<double> steps;
  for (const Series::Snapshot& snapshot : series.snapshots) {
    if (snapshot.step) steps.push_back(*snapshot.step);
  }
  if (steps.size() == series.snapshots.size() && all_rise(steps)) return true;
  return std::any_of(tracks.begin(), tracks.end(), [&](const Track& track) {
    return leaf_of(track.name) == "num_batches_tracked" &&
           movement(series, track) == Movement::kMoved;
  });
}

}  // namespace torchvet
