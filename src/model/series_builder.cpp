// How tensors are followed through a run. A name is the same tensor in every checkpoint, once the
// prefixes are gone that wrappers (DataParallel, torch.compile, FSDP) put before all names of a
// model: a run that is resumed with torch.compile goes on under other names. A prefix that only
// some names have belongs to the model.
#include "model/series_builder.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
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

/// NaN and infinities of the tensors that were compared.
std::map<TensorId, std::uint64_t> not_finite_in(const Changes& changes) {
  std::map<TensorId, std::uint64_t> counts;
  for (const auto& [pair, change] : changes) counts[pair.after] = change.not_finite;
  return counts;
}

/// NaN and infinities of a tensor of the value pass.
std::optional<std::uint64_t> not_finite_in(const Tensor& tensor) {
  if (!tensor.values || (tensor.values->computed & kMoments) == 0) return std::nullopt;
  return tensor.values->nan + tensor.values->positive_infinity + tensor.values->negative_infinity;
}

}  // namespace

StateDict model_of(const Artifact& artifact) {
  if (!artifact.state_dicts.empty()) return artifact.state_dicts.front();
  if (!artifact.modules.empty()) return state_of_module(artifact, 0);
  return {};
}

ValuePlan series_plan(const Artifact& artifact, const Changes& changes) {
  std::set<TensorId> wanted;
  const std::map<TensorId, std::uint64_t> counted = not_finite_in(changes);
  for (const StateEntry& entry : model_of(artifact).entries) {
    if (!counted.contains(entry.tensor)) wanted.insert(entry.tensor);
  }
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (entry.step_tensor) wanted.insert(*entry.step_tensor);
      if (const auto moment = second_moment_of(entry)) wanted.insert(*moment);
    }
  }
  ValuePlan plan;
  for (const TensorId tensor : wanted) plan.items.push_back({tensor, kMoments});
  return plan;
}

std::uint32_t SeriesBuilder::form_index(const Tensor& tensor) {
  const auto next = static_cast<std::uint32_t>(series_.forms.size());
  const auto [known, added] = forms_.emplace(std::pair(tensor.dtype, tensor.shape), next);
  if (added) series_.forms.push_back({tensor.dtype, tensor.shape});
  return known->second;
}

std::vector<TensorPair> SeriesBuilder::pairs(const Artifact& next) const {
  std::vector<TensorPair> pairs;
  const StateDict model = model_of(next);
  const std::size_t wrapper = wrapper_length(model);
  for (const StateEntry& entry : model.entries) {
    const auto known = index_.find(entry.name.substr(wrapper));
    if (known == index_.end()) continue;
    const auto before = last_.find(known->second);
    if (before == last_.end()) continue;
    const TensorForm& form = series_.form(series_.tracks[known->second].points.back());
    const Tensor& tensor = next.tensors[entry.tensor];
    if (form == TensorForm{tensor.dtype, tensor.shape}) {
      pairs.push_back({before->second, entry.tensor});
    }
  }
  return pairs;
}

void SeriesBuilder::add(const Artifact& artifact, std::optional<double> step,
                        const Changes& changes) {
  const std::size_t snapshot = series_.snapshots.size();
  series_.snapshots.push_back({artifact.source.path, step, learning_rate_is_zero(artifact)});
  for (Track& track : series_.tracks) track.points.emplace_back();
  moved_.clear();
  const std::map<TensorId, std::uint64_t> compared = not_finite_in(changes);
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
    places_[at] = place;
    here[at] = entry.tensor;
    TrackPoint& point = track.points[snapshot];
    point.form = form_index(tensor);
    const auto counted = compared.find(entry.tensor);
    const std::optional<std::uint64_t> not_finite =
        counted != compared.end() ? counted->second : not_finite_in(tensor);
    point.counted = not_finite.has_value();
    point.not_finite = not_finite.value_or(0);
    const auto before = last_.find(at);
    if (before == last_.end()) continue;
    const auto change = changes.find({before->second, entry.tensor});
    if (change == changes.end()) continue;
    point.moved = !change->second.same;
    if (!*point.moved) continue;
    point.since = change->second.sums;
    if (is_floating_point(tensor.dtype)) moved_.push_back({at, entry.tensor});
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
