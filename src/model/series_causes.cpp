#include "model/series_causes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "model/optimizer_alignment.h"
#include "model/optimizer_evidence.h"

namespace torchvet {
namespace {

std::optional<double> learning_rate(const ParamGroup& group) {
  for (const auto& [name, number] : group.numbers) {
    if (name == "lr") return number;
  }
  return std::nullopt;
}

/// What the optimizers of one checkpoint say about the tensors of its model.
class Witness {
 public:
  explicit Witness(const Artifact& artifact) : artifact_(artifact) {
    for (const OptimizerState& optimizer : artifact.optimizers) add(optimizer);
  }

  StaticCause cause_of(TensorId id) const {
    const Tensor& tensor = artifact_.tensors[id];
    if (tensor.is_parameter && !tensor.requires_grad) return StaticCause::kFrozen;
    if (artifact_.kind == Kind::kTorchScript && !tensor.requires_grad) return StaticCause::kFrozen;
    const auto listed = causes_.find(id);
    if (listed != causes_.end() && listed->second != StaticCause::kUnknown) return listed->second;
    const bool may_be_listed =
        listed != causes_.end() || any_shape_ ||
        std::find(undecided_.begin(), undecided_.end(), tensor.shape) != undecided_.end();
    if (!artifact_.optimizers.empty() && !may_be_listed) return StaticCause::kNotInOptimizer;
    const bool narrow = is_floating_point(tensor.dtype) && item_size(tensor.dtype) <= 2;
    return narrow ? StaticCause::kRounding : StaticCause::kUnknown;
  }

 private:
  void add(const OptimizerState& optimizer) {
    const OptimizerAlignment alignment = align_optimizer(artifact_, optimizer);
    std::vector<std::optional<double>> rates;  // parallel to the listed parameters
    for (const ParamGroup& group : optimizer.groups) {
      rates.insert(rates.end(), group.params.size(), learning_rate(group));
    }
    const bool keeps_state = !optimizer.state.empty();
    for (std::size_t i = 0; i < alignment.parameters.size(); ++i) {
      const AlignedParameter& listed = alignment.parameters[i];
      if (!listed.parameter) {
        any_shape_ = any_shape_ || !listed.shape;
        if (listed.shape) undecided_.push_back(*listed.shape);
        continue;
      }
      StaticCause cause = StaticCause::kUnknown;
      if (i < rates.size() && rates[i] == 0.0) {
        cause = StaticCause::kZeroLearningRate;
      } else if (!listed.entry) {
        if (keeps_state) cause = StaticCause::kNoGradient;
      } else if (const auto moment = second_moment_of(*listed.entry)) {
        if (all_zero(artifact_.tensors[*moment].values)) cause = StaticCause::kZeroGradient;
      }
      causes_[listed.parameter->tensor] = cause;
    }
  }

  const Artifact& artifact_;
  std::map<TensorId, StaticCause> causes_;            ///< of the tensors that an optimizer lists
  std::vector<std::vector<std::int64_t>> undecided_;  ///< shapes of listed ones without a name
  bool any_shape_ = false;                            ///< one without a name may have any shape
};

/// How many parameters the optimizers list.
struct ListedCount {
  std::size_t all = 0;
  std::size_t without_rate = 0;  ///< in groups with a learning rate of 0
};

/// Nothing when that cannot be told, or one is listed twice.
std::optional<ListedCount> count_listed(const Artifact& artifact) {
  ListedCount count;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    std::set<ParameterKey> keys;
    for (const ParamGroup& group : optimizer.groups) {
      if (group.unreadable > 0) return std::nullopt;
      for (const ParameterKey& key : group.params) {
        if (!keys.insert(key).second) return std::nullopt;
      }
      if (learning_rate(group) == 0.0) count.without_rate += group.params.size();
    }
    count.all += keys.size();
  }
  return count.all > 0 ? std::optional(count) : std::nullopt;
}

/// What the number of the listed parameters tells of those that are static.
class CountWitness {
 public:
  CountWitness(const Artifact& artifact, const std::vector<std::optional<TensorId>>& tensors,
               const std::vector<Track>& tracks) {
    const std::optional<ListedCount> listed = count_listed(artifact);
    const bool compared = !tracks.empty() && tracks.front().points.size() > 1;
    if (!listed || !compared || artifact.state_dicts.empty()) return;
    std::map<TensorId, const Track*> by_tensor;
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      if (tensors[i]) by_tensor[*tensors[i]] = &tracks[i];
    }
    std::vector<const Track*> parameters;
    for (const StateEntry& entry :
         parameter_candidates(artifact, artifact.state_dicts.front(), CandidateFilter::kNoBuffers,
                              /*tied_once=*/true)) {
      const auto found = by_tensor.find(entry.tensor);
      if (found == by_tensor.end() || movement(*found->second) == Movement::kUnknown) return;
      parameters.push_back(found->second);
    }
    std::size_t moved = 0, likely = 0;
    for (const Track* one : parameters) {
      if (movement(*one) != Movement::kMoved) continue;
      ++moved;
      moving_.insert(module_of(one->name));
    }
    for (const Track* one : parameters) likely += moving_.contains(module_of(one->name)) ? 1 : 0;
    decide(*listed, parameters.size(), moved, likely);
  }

  StaticCause cause_of(const Track& track) const {
    return moving_.contains(module_of(track.name)) ? beside_ : elsewhere_;
  }

 private:
  void decide(const ListedCount& listed, std::size_t all, std::size_t moved, std::size_t likely) {
    if (listed.all == moved) {
      beside_ = elsewhere_ = StaticCause::kNotInOptimizer;
    } else if (listed.all == likely) {
      elsewhere_ = StaticCause::kNotInOptimizer;
      beside_ = StaticCause::kNeverChanged;
    } else if (listed.all == all) {
      beside_ = elsewhere_ = StaticCause::kNeverChanged;
      if (listed.without_rate == all - moved) {
        beside_ = elsewhere_ = StaticCause::kZeroLearningRate;
      } else if (listed.without_rate == all - likely) {
        elsewhere_ = StaticCause::kZeroLearningRate;
      }
    }
  }

  std::set<std::string_view> moving_;              ///< modules in which a parameter moved
  StaticCause beside_ = StaticCause::kUnknown;     ///< of a static one in such a module
  StaticCause elsewhere_ = StaticCause::kUnknown;  ///< of one in another
};

}  // namespace

void name_causes(const Artifact& newest, const std::vector<std::optional<TensorId>>& tensors,
                 std::vector<Track>& tracks) {
  const Witness witness(newest);
  const CountWitness counts(newest, tensors, tracks);
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    if (!tensors[i]) continue;
    StaticCause& cause = tracks[i].cause;
    cause = witness.cause_of(*tensors[i]);
    if (!tracks[i].is_parameter || movement(tracks[i]) != Movement::kSame) continue;
    const StaticCause by_count = counts.cause_of(tracks[i]);
    const bool guessed =
        cause == StaticCause::kRounding && by_count == StaticCause::kNotInOptimizer;
    if (cause == StaticCause::kUnknown || guessed) cause = by_count;
  }
}

bool learning_rate_is_zero(const Artifact& artifact) {
  bool any = false;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const ParamGroup& group : optimizer.groups) {
      if (learning_rate(group) != 0.0) return false;
      any = true;
    }
  }
  return any;
}

}  // namespace torchvet
