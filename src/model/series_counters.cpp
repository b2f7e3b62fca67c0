// A scheduler has no type in a checkpoint: its state_dict is a dict of its attributes. Every
// scheduler of torch has `last_epoch` and `_step_count` among them (torch/optim/lr_scheduler.py),
// and nothing else has both.
#include "model/series_counters.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "model/optimizer_evidence.h"

namespace torchvet {
namespace {

constexpr std::size_t kDeepest = 4;        ///< containers around a scheduler
constexpr std::size_t kMostItems = 256;    ///< of a container that may hold schedulers
constexpr std::size_t kMostCounters = 64;  ///< optimizers, and schedulers, of a checkpoint
constexpr std::size_t kMostLooked = 4096;  ///< containers looked into

/// The highest step that an optimizer counts for a parameter; apex counts in the groups instead.
std::optional<double> highest_step(const Artifact& artifact, const OptimizerState& optimizer) {
  std::optional<double> highest;
  const auto take = [&](const std::optional<double>& step) {
    if (step && (!highest || *step > *highest)) highest = step;
  };
  for (const OptimizerEntry& entry : optimizer.state) take(step_of(artifact, entry));
  if (highest) return highest;
  for (const ParamGroup& group : optimizer.groups) {
    for (const auto& [name, number] : group.numbers) {
      if (name == "step") take(number);
    }
  }
  return highest;
}

void add_optimizers(const Artifact& artifact, std::vector<Counter>& counters) {
  if (artifact.optimizers.size() > kMostCounters) return;
  const std::size_t first = counters.size();
  for (const OptimizerState& optimizer : artifact.optimizers) {
    const std::optional<double> step = highest_step(artifact, optimizer);
    if (!step) {
      counters.resize(first);
      return;
    }
    std::uint64_t listed = 0;
    for (const ParamGroup& group : optimizer.groups) listed += group.params.size();
    counters.push_back({Counter::Kind::kOptimizer, optimizer.path, *step, listed});
  }
}

class Schedulers {
 public:
  Schedulers(const Artifact& artifact, std::vector<Counter>& counters)
      : tree_(artifact.objects), counters_(counters) {
    for (const StateDict& state : artifact.state_dicts) seen_.insert(state.object);
    for (const OptimizerState& optimizer : artifact.optimizers) seen_.insert(optimizer.object);
  }

  void run(ObjectId root) {
    stack_.push_back({root, "", 0});
    const std::size_t most = counters_.size() + kMostCounters;
    for (std::size_t looked = 0; !stack_.empty() && looked < kMostLooked; ++looked) {
      if (counters_.size() == most) return;
      const Place place = std::move(stack_.back());
      stack_.pop_back();
      if (!seen_.insert(place.id).second) continue;
      // A whole scheduler that was pickled has the same in its attributes.
      const ObjectId attributes = tree_.attributes(place.id);
      if (take(place.id, place.path) || take(attributes, place.path)) continue;
      if (place.depth < kDeepest) push_children(place);
    }
  }

 private:
  struct Place {
    ObjectId id = kNoObject;
    std::string path;
    std::size_t depth = 0;
  };

  bool take(ObjectId id, const std::string& path) {
    const std::optional<double> last = tree_.number(tree_.get(id, "last_epoch"));
    if (!last) return false;
    const bool plateau = tree_.contains(tree_.get(id, "num_bad_epochs"));
    if (!tree_.number(tree_.get(id, "_step_count")) && !plateau) return false;
    if (!plateau) counters_.push_back({Counter::Kind::kScheduler, path, *last, 0});
    return true;
  }

  void push_children(const Place& place) {
    const std::size_t first = stack_.size();
    if (const auto* items = tree_.sequence(place.id); items && items->size() <= kMostItems) {
      for (std::size_t i = 0; i < items->size(); ++i) {
        push((*items)[i], place.path + "[" + std::to_string(i) + "]", place.depth + 1);
      }
    }
    if (const auto* pairs = tree_.mapping(place.id); pairs && pairs->size() <= kMostItems) {
      for (const auto& [key, value] : *pairs) {
        const auto name = tree_.text(key);
        if (!name) continue;
        push(value,
             place.path + (place.path.empty() ? "" : ".") + std::string(name->substr(0, 256)),
             place.depth + 1);
      }
    }
    std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
  }

  void push(ObjectId id, std::string path, std::size_t depth) {
    const bool container = tree_.mapping(id) || tree_.sequence(id) || tree_.as<Object::Call>(id);
    if (container) stack_.push_back({id, std::move(path), depth});
  }

  const ObjectTree& tree_;
  std::vector<Counter>& counters_;
  std::unordered_set<ObjectId> seen_;
  std::vector<Place> stack_;
};

}  // namespace

bool is_step_of_run(std::string_view key) { return key == "global_step" || key == "num_updates"; }

std::optional<double> stored_number(const Artifact& artifact, std::string_view key) {
  if (artifact.pickles.empty()) return std::nullopt;
  const ObjectTree& tree = artifact.objects;
  return tree.number(tree.get(artifact.pickles.front().root, key));
}

std::vector<Counter> counters_of(const Artifact& artifact) {
  std::vector<Counter> counters;
  for (const std::string_view key : kStepKeys) {
    const std::optional<double> number = stored_number(artifact, key);
    if (number) counters.push_back({Counter::Kind::kStored, std::string(key), *number, 0});
  }
  add_optimizers(artifact, counters);
  if (!artifact.pickles.empty()) {
    Schedulers(artifact, counters).run(artifact.pickles.front().root);
  }
  return counters;
}

const Counter* find_counter(const std::vector<Counter>& counters, Counter::Kind kind,
                            std::string_view name) {
  const auto found = std::find_if(counters.begin(), counters.end(), [&](const Counter& counter) {
    return counter.kind == kind && counter.name == name;
  });
  return found == counters.end() ? nullptr : &*found;
}

}  // namespace torchvet
