#include "model/weights.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <unordered_set>

namespace torchvet {
namespace {

constexpr std::uint64_t kFewestNumbers = 64;

}  // namespace

bool is_weight_name(std::string_view tensor_name) {
  constexpr std::array<std::string_view, 7> kNames = {
      "weight",        "bias",          "in_proj_weight", "in_proj_bias",
      "q_proj_weight", "k_proj_weight", "v_proj_weight"};
  constexpr std::array<std::string_view, 5> kRecurrent = {"weight_ih", "weight_hh", "weight_hr",
                                                          "bias_ih", "bias_hh"};
  const std::string_view leaf = leaf_of(tensor_name);
  return std::find(kNames.begin(), kNames.end(), leaf) != kNames.end() ||
         std::any_of(kRecurrent.begin(), kRecurrent.end(), [&](std::string_view stem) {
           return leaf.starts_with(stem) &&
                  (leaf == stem || leaf.substr(stem.size()).starts_with("_l"));
         });
}

bool is_table_name(std::string_view tensor_name) {
  std::string lower(tensor_name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower.find("emb") != std::string::npos || lower.find("wte") != std::string::npos ||
         lower.find("token") != std::string::npos;
}

bool is_own_model(const Artifact& artifact, const StateDict& state) {
  return !state.is_average || std::all_of(artifact.state_dicts.begin(), artifact.state_dicts.end(),
                                          [](const StateDict& other) { return other.is_average; });
}

bool is_weight(const Artifact& artifact, const StateEntry& entry) {
  const Tensor& tensor = artifact.tensors[entry.tensor];
  return tensor.role != TensorRole::kBuffer && tensor.role != TensorRole::kConstant &&
         tensor.layout == Layout::kStrided && tensor.storage && is_weight_name(entry.name);
}

std::vector<StateEntry> weight_matrices(const Artifact& artifact, const StateDict& state) {
  std::vector<StateEntry> matrices;
  std::unordered_set<TensorId> taken;
  for (const StateEntry& entry : state.entries) {
    const Tensor& tensor = artifact.tensors[entry.tensor];
    const auto wide = std::count_if(tensor.shape.begin(), tensor.shape.end(),
                                    [](std::int64_t size) { return size > 1; });
    if (wide < 2 || tensor.element_count().value_or(0) < kFewestNumbers) continue;
    if (!is_floating_point(tensor.dtype) || !is_weight(artifact, entry)) continue;
    if (taken.insert(entry.tensor).second) matrices.push_back(entry);
  }
  return matrices;
}

ValuePlan plan_of_matrices(const Artifact& artifact, Quantities quantities,
                           bool (*judged)(const Tensor&)) {
  ValuePlan plan;
  for (const StateDict& state : artifact.state_dicts) {
    for (const StateEntry& entry : weight_matrices(artifact, state)) {
      if (judged != nullptr && !judged(artifact.tensors[entry.tensor])) continue;
      plan.items.push_back({entry.tensor, quantities});
    }
  }
  return plan;
}

}  // namespace torchvet
