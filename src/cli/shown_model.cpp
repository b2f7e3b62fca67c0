#include "cli/shown_model.h"

#include <map>
#include <vector>

#include "values/values.h"

namespace torchvet {
namespace {

/// Takes the facts back that were computed beyond what a rule asked of a tensor.
void forget(Tensor& tensor, Quantities asked) {
  if (!tensor.values) return;
  if ((asked & (kSums | kHistogram)) != 0) asked |= kMoments;
  tensor.values->computed &= asked;
  if ((asked & kHistogram) == 0) tensor.values->histogram.clear();
}

}  // namespace

std::optional<ReportedModel> read_shown_model(Artifact& artifact, const ValuePlan& plan,
                                              const Settings& settings, const Deadline& deadline) {
  std::vector<Gap> not_of_the_artifact;
  const bool numbers = !settings.skip_values && !deadline.over(not_of_the_artifact, "values");
  std::map<TensorId, Quantities> asked;
  for (const ValuePlan::Item& item : plan.items) asked[item.tensor] |= item.quantities;

  // Tensors that no rule asked about come last: what cannot be read of them is no gap.
  ValuePlan together = plan, others;
  if (numbers) {
    for (const ValuePlan::Item& item : plan_of_shown(artifact).items) {
      (asked.contains(item.tensor) ? together : others).items.push_back(item);
    }
  }
  compute_values(artifact, together, settings.limits);
  const std::size_t gaps = artifact.gaps.size();
  compute_values(artifact, others, settings.limits);
  artifact.gaps.resize(gaps);

  std::optional<ReportedModel> shown;
  if (!artifact.tensors.empty() || !artifact.modules.empty()) {
    shown = report_of(artifact);
    shown->numbers_asked = numbers;
  }
  for (const ValuePlan::Item& item : others.items) artifact.tensors[item.tensor].values.reset();
  for (const auto& [tensor, quantities] : asked) forget(artifact.tensors[tensor], quantities);
  return shown;
}

}  // namespace torchvet
