// The value pass counts magnitudes on a scale of floating point: eight steps an octave, that is,
// the sign, the exponent and three bits of the mantissa. Between 2^(e-1) and 2^e such a step is
// 2^(e-1) / 8 = 2^e / 16 wide, and further towards zero the steps only get finer, each a part of
// one that begins and ends at a multiple of 2^e / 16. So a linear scale with sixteen steps from 0
// to 2^e takes the counts over without guessing where in a step a number was.
//
//   -2^e             -2^(e-1)            0             2^(e-1)            2^e
//    |--|--|--|--|--|--|--|--|--|...     |     ...|--|--|--|--|--|--|--|--|
//
// 2^e is the power of two that holds all but one number in a thousand: a single outlier would
// press all others into one step otherwise. What lies beyond is counted and said.
#include "engine/reported_model.h"

#include <algorithm>
#include <cmath>

#include "model/value_facts.h"

namespace torchvet {
namespace {

constexpr double kShown = 0.999;  ///< share of the numbers that the scale must hold
/// Of the mean square: below it the difference of two sums is mostly their rounding.
constexpr double kLeastVariance = 1e-10;

std::optional<ReportedSpread> spread_of(const std::vector<HistogramBucket>& histogram,
                                        bool negative) {
  const double most = magnitude_quantile(histogram, kShown);
  if (!(most > 0) || !std::isfinite(most)) return std::nullopt;
  ReportedSpread spread;
  // frexp: most = m * 2^exponent with m in [0.5, 1); an exact power of two is held by one less.
  const double mantissa = std::frexp(most, &spread.exponent);
  if (mantissa == 0.5) --spread.exponent;
  constexpr int kSteps = ReportedSpread::kStepsEachWay;
  spread.first_step = negative ? -kSteps : 0;
  spread.counts.resize(static_cast<std::size_t>(kSteps - spread.first_step));
  for (const HistogramBucket& bucket : histogram) {
    const double middle = std::ldexp((bucket.low + bucket.high) / 2, -spread.exponent) * kSteps;
    if (middle < -kSteps) {
      spread.below += bucket.count;
    } else if (middle > kSteps) {
      spread.above += bucket.count;
    } else {
      // Negative zeros have a bucket of their own, which may be the only one below zero.
      const int step = std::max(static_cast<int>(std::floor(middle)), spread.first_step);
      spread.counts[static_cast<std::size_t>(step - spread.first_step)] += bucket.count;
    }
  }
  return spread;
}

std::optional<ReportedNumbers> numbers_of(const Tensor& tensor) {
  const std::optional<ValueFacts>& facts = tensor.values;
  if (!facts || (facts->computed & kSums) == 0) return std::nullopt;
  ReportedNumbers shown;
  shown.numbers = facts->numbers;
  shown.nan = facts->nan;
  shown.infinite = facts->positive_infinity + facts->negative_infinity;
  shown.zero = facts->zero;
  if (shown.finite() == 0) return shown;
  const double count = static_cast<double>(shown.finite());
  shown.min = facts->min;
  shown.max = facts->max;
  shown.mean = facts->sum / count;
  const double squares = facts->sum_of_squares / count;
  const double variance = squares - shown.mean * shown.mean;
  if (std::isfinite(variance) && variance > kLeastVariance * squares) {
    shown.deviation = std::sqrt(variance);
  }
  if ((facts->computed & kHistogram) != 0 && facts->min < facts->max) {
    shown.spread = spread_of(facts->histogram, facts->min < 0);
  }
  return shown;
}

bool is_shown(const Tensor& tensor) { return tensor.role != TensorRole::kOptimizer; }

}  // namespace

ReportedModel report_of(const Artifact& artifact) {
  ReportedModel model;
  for (const Tensor& tensor : artifact.tensors) {
    if (!is_shown(tensor)) {
      ++model.optimizer_tensors;
    } else if (model.tensors.size() >= ReportedModel::kMostTensors) {
      ++model.left_out;
    } else {
      model.tensors.push_back({tensor.object_path, tensor.aliases, tensor.role,
                               name_of(tensor.dtype), tensor.shape, tensor.device,
                               tensor.element_count(), numbers_of(tensor)});
    }
  }
  for (const Module& module : artifact.modules) {
    if (model.modules.size() >= ReportedModel::kMostTensors) break;
    model.modules.push_back({module.path, module.class_name, module.training,
                             module.registration == Registration::kRegistered});
  }
  if (!artifact.state_dicts.empty()) model.state_path = artifact.state_dicts.front().path;
  return model;
}

ValuePlan plan_of_shown(const Artifact& artifact) {
  ValuePlan plan;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    if (plan.items.size() >= ReportedModel::kMostTensors) break;
    if (!is_shown(artifact.tensors[id])) continue;
    const bool spread = plan.items.size() < ReportedModel::kMostSpreads;
    plan.items.push_back({id, spread ? kSums | kHistogram : kSums});
  }
  return plan;
}

}  // namespace torchvet
