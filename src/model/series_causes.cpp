#include "model/series_causes.h"

#include <algorithm>
#include <map>
#include <optional>
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
    if (is_floating_point(tensor.dtype) && item_size(tensor.dtype) <= 2) {
      return StaticCause::kRounding;
    }
    const bool may_be_listed =
        listed != causes_.end() || any_shape_ ||
        std::find(undecided_.begin(), undecided_.end(), tensor.shape) != undecided_.end();
    return artifact_.optimizers.empty() || may_be_listed ? StaticCause::kUnknown
                                                         : StaticCause::kNotInOptimizer;
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

}  // namespace

std::vector<StaticCause> static_causes(const Artifact& newest,
                                       const std::vector<std::optional<TensorId>>& tensors) {
  std::vector<StaticCause> causes(tensors.size(), StaticCause::kUnknown);
  const Witness witness(newest);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i]) causes[i] = witness.cause_of(*tensors[i]);
  }
  return causes;
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
