// How tensors are followed through a run. A name is the same tensor in every checkpoint, once the
// prefixes are gone that wrappers (DataParallel, torch.compile, FSDP) put before all names of a
// model: a run that is resumed with torch.compile goes on under other names. A prefix that only
// some names have belongs to the model.
#include "model/series_builder.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

#include "model/optimizer_evidence.h"
#include "model/series_causes.h"

namespace torchvet {
namespace {

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

TrackPoint point_of(const Tensor& tensor, std::uint32_t form) {
  TrackPoint point;
  point.form = form;
  if (!tensor.values) return point;
  point.digest = tensor.values->digest;
  if ((tensor.values->computed & kMoments) != 0) {
    point.counted = true;
    point.not_finite =
        tensor.values->nan + tensor.values->positive_infinity + tensor.values->negative_infinity;
  }
  return point;
}

}  // namespace

StateDict model_of(const Artifact& artifact) {
  if (!artifact.state_dicts.empty()) return artifact.state_dicts.front();
  if (!artifact.modules.empty()) return state_of_module(artifact, 0);
  return {};
}

ValuePlan series_plan(const Artifact& artifact) {
  std::map<TensorId, Quantities> wanted;
  for (const StateEntry& entry : model_of(artifact).entries) {
    wanted[entry.tensor] |= kDigest | kMoments;
  }
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

std::uint32_t SeriesBuilder::form_index(const Tensor& tensor) {
  const auto next = static_cast<std::uint32_t>(series_.forms.size());
  const auto [known, added] = forms_.emplace(std::pair(tensor.dtype, tensor.shape), next);
  if (added) series_.forms.push_back({tensor.dtype, tensor.shape});
  return known->second;
}

void SeriesBuilder::add(const Artifact& artifact, std::optional<double> step) {
  const std::size_t snapshot = series_.snapshots.size();
  series_.snapshots.push_back({artifact.source.path, step, learning_rate_is_zero(artifact)});
  for (Track& track : series_.tracks) track.points.emplace_back();
  moved_.clear();
  const StateDict model = model_of(artifact);
  const std::size_t wrapper = wrapper_length(model);
  std::map<std::size_t, TensorId> here;
  for (std::size_t place = 0; place < model.entries.size(); ++place) {
    const StateEntry& entry = model.entries[place];
    const Tensor& tensor = artifact.tensors[entry.tensor];
    std::string name = entry.name.substr(wrapper);
    const auto [known, added] = index_.emplace(name, series_.tracks.size());
    const std::size_t at = known->second;
    if (added) {
      series_.tracks.push_back({std::move(name), false, std::vector<TrackPoint>(snapshot + 1), {}});
      places_.push_back(place);
    }
    Track& track = series_.tracks[at];
    if (track.points[snapshot].form) continue;  // a second entry of one name
    track.is_parameter = tensor.role == TensorRole::kParameter;
    track.points[snapshot] = point_of(tensor, form_index(tensor));
    places_[at] = place;
    here[at] = entry.tensor;
    const auto before = last_.find(at);
    if (before == last_.end() || !is_floating_point(tensor.dtype)) continue;
    if (movement(track, snapshot) == Movement::kMoved) {
      moved_.push_back({at, before->second, entry.tensor});
    }
  }
  last_ = std::move(here);
}

Series SeriesBuilder::series(const Artifact& newest) const {
  std::vector<std::optional<TensorId>> tensors(series_.tracks.size());
  for (const auto& [track, tensor] : last_) tensors[track] = tensor;
  const std::vector<StaticCause> causes = static_causes(newest, tensors);

  const auto newest_with = [&](std::size_t track) {
    const std::vector<TrackPoint>& points = series_.tracks[track].points;
    std::size_t snapshot = points.size();
    while (snapshot > 0 && !points[snapshot - 1].form) --snapshot;
    return snapshot;
  };
  std::vector<std::size_t> order(series_.tracks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const std::size_t last_a = newest_with(a), last_b = newest_with(b);
    return last_a != last_b ? last_a > last_b : places_[a] < places_[b];
  });
  Series sorted;
  sorted.snapshots = series_.snapshots;
  sorted.forms = series_.forms;
  sorted.order = series_.order;
  for (const std::size_t i : order) {
    sorted.tracks.push_back(series_.tracks[i]);
    sorted.tracks.back().cause = causes[i];
  }
  return sorted;
}

}  // namespace torchvet
