#include "values/init_bounds.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace torchvet {
namespace {

struct Fans {
  double in = 0;
  double out = 0;
};

Fans fans_of(const Tensor& tensor) {
  if (tensor.shape.size() < 2) return {};
  double field = 1;
  for (std::size_t i = 2; i < tensor.shape.size(); ++i) {
    field *= static_cast<double>(tensor.shape[i]);
  }
  return {static_cast<double>(tensor.shape[1]) * field,
          static_cast<double>(tensor.shape[0]) * field};
}

/// "rnn.bias_ih_l0_reverse" -> "rnn.weight_hh_l0_reverse"; empty for any other name.
std::string recurrent_weight_path(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  const std::size_t name = dot == std::string_view::npos ? 0 : dot + 1;
  for (const std::string_view stem : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
    if (!path.substr(name).starts_with(stem)) continue;
    return std::string(path.substr(0, name)) + "weight_hh" +
           std::string(path.substr(name + stem.size()));
  }
  return {};
}

std::string weight_path_of_bias(std::string_view path) {
  constexpr std::string_view kBias = "bias";
  if (path != kBias && !path.ends_with(".bias")) return {};
  return std::string(path.substr(0, path.size() - kBias.size())) + "weight";
}

void add(std::vector<double>& bounds, double bound) {
  if (!std::isfinite(bound) || bound <= 0) return;
  if (std::find(bounds.begin(), bounds.end(), bound) == bounds.end()) bounds.push_back(bound);
}

}  // namespace

TensorIndex::TensorIndex(const Artifact& artifact) {
  for (const Tensor& tensor : artifact.tensors) {
    by_path_.emplace(tensor.object_path, &tensor);
    for (const std::string& alias : tensor.aliases) by_path_.emplace(alias, &tensor);
  }
}

const Tensor* TensorIndex::find(std::string_view path) const {
  const auto found = by_path_.find(path);
  return found == by_path_.end() ? nullptr : found->second;
}

std::vector<double> candidate_bounds(const Tensor& tensor, const TensorIndex& index) {
  std::vector<double> bounds;
  const auto add_names = [&](std::string_view path) {
    if (const Tensor* recurrent = index.find(recurrent_weight_path(path));
        recurrent != nullptr && recurrent->shape.size() == 2) {
      add(bounds, 1 / std::sqrt(static_cast<double>(recurrent->shape[1])));
    }
    if (const Tensor* weight = index.find(weight_path_of_bias(path))) {
      add(bounds, 1 / std::sqrt(fans_of(*weight).in));
    }
  };
  add_names(tensor.object_path);
  for (const std::string& alias : tensor.aliases) add_names(alias);
  const Fans fans = fans_of(tensor);
  add(bounds, 1 / std::sqrt(fans.in));
  add(bounds, std::sqrt(6 / (fans.in + fans.out)));
  add(bounds, std::sqrt(6 / fans.in));
  add(bounds, std::sqrt(3 / fans.in));
  add(bounds, 1 / std::sqrt(fans.out));
  return bounds;
}

}  // namespace torchvet
