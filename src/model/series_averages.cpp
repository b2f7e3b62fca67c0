// Averages of a model are kept by many libraries, and each puts something before the names of the
// model: torch's AveragedModel `module.`, others `ema_model.` or `shadow.`. So a tensor of an
// average belongs to the tensor of the model whose name is the end of its own and whose shape is
// the same. Some keep the model itself beside its average (`online_model.`): where some names begin
// with a word for an average, the others are not looked at.
#include "model/series_averages.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace torchvet {
namespace {

/// What averages call the number of their updates: torch's AveragedModel, LitEma, timm, diffusers,
/// ema-pytorch, YOLO.
constexpr std::array<std::string_view, 5> kUpdateNames = {"n_averaged", "num_updates", "updates",
                                                          "optimization_step", "step"};
/// At the top of the file the others count the steps of the run.
constexpr std::array<std::string_view, 3> kTopUpdateNames = {"n_averaged", "updates",
                                                             "ema_updates"};

constexpr std::size_t kMostAverages = 16;  ///< that are followed
constexpr std::size_t kMostDropped = 4;    ///< components of a name that are no part of the model's

bool is_update_name(std::string_view name) {
  return std::find(kUpdateNames.begin(), kUpdateNames.end(), name) != kUpdateNames.end();
}

std::vector<const StateDict*> averages_of(const Artifact& artifact) {
  std::vector<const StateDict*> averages;
  for (std::size_t i = 1; i < artifact.state_dicts.size(); ++i) {  // the first is the model
    if (averages.size() == kMostAverages) break;
    if (artifact.state_dicts[i].is_average) averages.push_back(&artifact.state_dicts[i]);
  }
  return averages;
}

template <std::size_t N>
std::optional<double> number_under(const ObjectTree& tree, ObjectId mapping,
                                   const std::array<std::string_view, N>& names) {
  for (const std::string_view name : names) {
    if (const auto number = tree.number(tree.get(mapping, name))) return number;
  }
  return std::nullopt;
}

/// How often an average says that it was updated: in a tensor or a number beside its tensors, or in
/// the dict around it.
std::optional<double> updates_of(const Artifact& artifact, const StateDict& average) {
  for (const StateEntry& entry : average.entries) {
    if (!is_update_name(entry.name)) continue;
    const std::optional<ValueFacts>& values = artifact.tensors[entry.tensor].values;
    if (values && (values->computed & kMoments) != 0 && values->count == 1) return values->first;
  }
  const ObjectTree& tree = artifact.objects;
  if (const auto number = number_under(tree, average.object, kUpdateNames)) return number;
  if (artifact.pickles.empty()) return std::nullopt;
  const ObjectId top = artifact.pickles.front().root;
  const std::string_view around = module_of(average.path);
  if (around.empty()) return number_under(tree, top, kTopUpdateNames);
  return number_under(tree, tree.get(top, around), kUpdateNames);
}

/// Tensors of an average by the names that they have in the model.
using Members = std::map<std::string, TensorId>;

/// Finds the tensors of the model in one checkpoint that those of its averages belong to.
class MemberFinder {
 public:
  MemberFinder(const Artifact& artifact, const std::vector<StateEntry>& model)
      : artifact_(artifact) {
    for (const StateEntry& entry : model) model_.emplace(entry.name, entry.tensor);
  }

  [[nodiscard]] Members members_of(const StateDict& average) const {
    const auto is_named = [](const StateEntry& entry) {
      const std::size_t dot = entry.name.find('.');
      return dot != std::string::npos && names_average(entry.name.substr(0, dot));
    };
    const bool some_are_named =
        std::any_of(average.entries.begin(), average.entries.end(), is_named);
    Members members;
    for (const StateEntry& entry : average.entries) {
      if (some_are_named && !is_named(entry)) continue;
      if (const auto name = name_in_model(entry)) members.emplace(*name, entry.tensor);
    }
    return members;
  }

 private:
  [[nodiscard]] std::optional<std::string_view> name_in_model(const StateEntry& entry) const {
    std::string_view name = entry.name;
    for (std::size_t dropped = 0; dropped <= kMostDropped; ++dropped) {
      const auto found = model_.find(name);
      if (found != model_.end() &&
          artifact_.tensors[found->second].shape == artifact_.tensors[entry.tensor].shape) {
        return name;
      }
      const std::size_t dot = name.find('.');
      if (dot == std::string_view::npos) return std::nullopt;
      name.remove_prefix(dot + 1);
    }
    return std::nullopt;
  }

  const Artifact& artifact_;
  std::unordered_map<std::string_view, TensorId> model_;  ///< of two of one name, the first
};

}  // namespace

void plan_averages(const Artifact& artifact, std::set<TensorId>& wanted) {
  for (const StateDict* average : averages_of(artifact)) {
    for (const StateEntry& entry : average->entries) {
      if (is_update_name(entry.name)) wanted.insert(entry.tensor);
    }
  }
}

void AverageFollower::add_pairs(const Artifact& next, const std::vector<StateEntry>& model,
                                std::vector<TensorPair>& pairs) const {
  if (followed_.empty()) return;
  const MemberFinder finder(next, model);
  for (const StateDict* average : averages_of(next)) {
    const auto followed = followed_.find(average->path);
    if (followed == followed_.end()) continue;
    for (const auto& [name, tensor] : finder.members_of(*average)) {
      const auto before = followed->second.last.find(name);
      if (before != followed->second.last.end()) pairs.push_back({before->second, tensor});
    }
  }
}

void AverageFollower::add(const Artifact& artifact, const std::vector<StateEntry>& model,
                          const TrackIndex& tracks, std::size_t snapshot, const Changes& changes) {
  const MemberFinder finder(artifact, model);
  for (const StateDict* average : averages_of(artifact)) {
    Followed& followed = followed_[average->path];
    followed.copy.path = average->path;
    followed.copy.updates.resize(snapshot + 1);
    followed.copy.updates.back() = updates_of(artifact, *average);
    Members members = finder.members_of(*average);
    for (const auto& [name, tensor] : members) {
      const std::size_t track = tracks.at(name);
      const auto [known, added] = followed.members.emplace(track, followed.copy.members.size());
      if (added) followed.copy.members.push_back({track, {}, false});
      AverageCopy::Member& member = followed.copy.members[known->second];
      const DType dtype = artifact.tensors[tensor].dtype;
      member.narrow = is_floating_point(dtype) && item_size(dtype) <= 2;
      member.moved.resize(snapshot + 1, Movement::kUnknown);
      const auto before = followed.last.find(name);
      if (before == followed.last.end()) continue;
      const auto change = changes.find({before->second, tensor});
      if (change == changes.end()) continue;
      member.moved.back() = change->second.same ? Movement::kSame : Movement::kMoved;
    }
    followed.last = std::move(members);
  }
  for (auto& [path, followed] : followed_) {
    if (followed.copy.updates.size() > snapshot) continue;
    followed.copy.updates.resize(snapshot + 1);  // it is not in this checkpoint
    followed.last.clear();
  }
}

std::vector<AverageCopy> AverageFollower::copies(const std::vector<std::size_t>& place_of) const {
  std::vector<AverageCopy> copies;
  for (const auto& [path, followed] : followed_) {
    copies.push_back(followed.copy);
    for (AverageCopy::Member& member : copies.back().members) {
      member.track = place_of[member.track];
      member.moved.resize(followed.copy.updates.size(), Movement::kUnknown);
    }
    std::sort(copies.back().members.begin(), copies.back().members.end(),
              [](const auto& a, const auto& b) { return a.track < b.track; });
  }
  return copies;
}

}  // namespace torchvet
