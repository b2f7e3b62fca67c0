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

/// The entries of the model, named as its tracks are.
std::vector<StateEntry> entries_of(const Artifact& artifact) {
  StateDict model = model_of(artifact);
  const std::size_t wrapper = wrapper_length(model);
  for (StateEntry& entry : model.entries) entry.name.erase(0, wrapper);
  return std::move(model.entries);
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

float single(const std::optional<double>& number) {
  return number ? static_cast<float>(*number) : TrackPoint::kNotKnown;
}

std::uint64_t elements_of(const TensorForm& form) {
  std::uint64_t count = 1;
  for (const std::int64_t size : form.shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count)) {
      return 0;
    }
  }
  return count;
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
  plan_averages(artifact, wanted);
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
  const std::vector<StateEntry> model = entries_of(next);
  for (const StateEntry& entry : model) {
    const auto known = index_.find(entry.name);
    if (known == index_.end()) continue;
    const auto before = last_.find(known->second);
    if (before == last_.end()) continue;
    const TensorForm& form = series_.form(series_.tracks[known->second].points.back());
    const Tensor& tensor = next.tensors[entry.tensor];
    if (form == TensorForm{tensor.dtype, tensor.shape}) {
      pairs.push_back({before->second, entry.tensor});
    }
  }
  averages_.add_pairs(next, model, pairs);
  return pairs;
}

void SeriesBuilder::add(const Artifact& artifact, std::optional<double> step,
                        const Changes& changes) {
  const std::size_t snapshot = series_.snapshots.size();
  const std::string& path = artifact.source.path;
  series_.snapshots.push_back({path, step, learning_rate_is_zero(artifact), counters_of(artifact),
                               names_average(std::string_view(path).substr(path.rfind('/') + 1)),
                               !artifact.gaps.empty()});
  for (Track& track : series_.tracks) track.points.emplace_back();
  replaced_.clear();
  const std::map<TensorId, std::uint64_t> compared = not_finite_in(changes);
  const std::vector<StateEntry> model = entries_of(artifact);
  std::map<std::size_t, TensorId> here;
  for (std::size_t place = 0; place < model.size(); ++place) {
    const StateEntry& entry = model[place];
    const auto [known, added] = index_.emplace(entry.name, series_.tracks.size());
    const std::size_t at = known->second;
    if (added) {
      series_.tracks.push_back({entry.name, false, std::vector<TrackPoint>(snapshot + 1), {}});
      places_.push_back(place);
    }
    if (!here.emplace(at, entry.tensor).second) continue;  // a second entry of one name
    const Tensor& tensor = artifact.tensors[entry.tensor];
    series_.tracks[at].is_parameter = tensor.role == TensorRole::kParameter;
    places_[at] = place;
    TrackPoint& point = series_.tracks[at].points[snapshot];
    point.form = form_index(tensor);
    const auto counted = compared.find(entry.tensor);
    const std::optional<std::uint64_t> not_finite =
        counted != compared.end() ? counted->second : not_finite_in(tensor);
    point.counted = not_finite.has_value();
    point.not_finite =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(not_finite.value_or(0), UINT32_MAX));
    const auto before = last_.find(at);
    if (before == last_.end()) continue;
    const auto change = changes.find({before->second, entry.tensor});
    if (change == changes.end()) continue;
    put(change->second, point);
    if (point.replaced) replaced_.push_back({at, entry.tensor});
  }
  last_ = std::move(here);
  averages_.add(artifact, model, index_, snapshot, changes);
}

void SeriesBuilder::put(const ChangeFacts& change, TrackPoint& point) const {
  point.moved = change.same ? Movement::kSame : Movement::kMoved;
  if (change.same) {
    point.update = 0;
    return;
  }
  if (!change.sums) return;
  const TensorForm& form = series_.form(point);
  point.update = single(change.sums->relative_update());
  point.growth = single(change.sums->growth());
  point.cosine = single(change.sums->cosine());
  point.replaced = was_replaced(elements_of(form), form.shape, *change.sums);
}

Series SeriesBuilder::series(const Artifact& newest) const {
  std::vector<std::optional<TensorId>> tensors(series_.tracks.size());
  for (const auto& [track, tensor] : last_) tensors[track] = tensor;
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
  sorted.tracks = series_.tracks;
  name_causes(newest, tensors, sorted.tracks);
  std::vector<Track> tracks;
  std::vector<std::size_t> place_of(order.size());
  for (const std::size_t i : order) {
    place_of[i] = tracks.size();
    tracks.push_back(std::move(sorted.tracks[i]));
  }
  sorted.tracks = std::move(tracks);
  sorted.averages = averages_.copies(place_of);
  return sorted;
}

}  // namespace torchvet
