#include "model/untouched.h"

#include <algorithm>

namespace torchvet {
namespace {

bool may_be_judged(const Tensor& tensor) {
  if (tensor.role == TensorRole::kOptimizer || tensor.role == TensorRole::kBuffer ||
      tensor.role == TensorRole::kExampleInput) {
    return false;
  }
  return is_named_like_parameter(tensor.object_path) ||
         std::any_of(tensor.aliases.begin(), tensor.aliases.end(), is_named_like_parameter);
}

}  // namespace

bool is_named_like_parameter(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  const std::string_view name = dot == std::string_view::npos ? path : path.substr(dot + 1);
  if (name == "weight" || name == "bias" || name == "in_proj_weight") return true;
  for (const std::string_view recurrent : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
    if (name.starts_with(recurrent)) return true;
  }
  return false;
}

Untouched untouched_parameters(const Artifact& artifact) {
  Untouched found;
  std::uint64_t matrices = 0, untouched_matrices = 0;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    const Tensor& tensor = artifact.tensors[id];
    if (!tensor.values || !tensor.values->fingerprint || !may_be_judged(tensor)) continue;
    const bool untouched = tensor.values->fingerprint->kind != InitFingerprint::kNone;
    if (untouched) found.tensors.push_back(id);
    if (tensor.shape.size() < 2) continue;
    ++matrices;
    if (untouched) ++untouched_matrices;
  }
  found.before_training = untouched_matrices * 2 > matrices;
  return found;
}

}  // namespace torchvet
