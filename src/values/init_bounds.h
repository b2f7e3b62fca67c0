#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Tensors of an artifact by object path (aliases included).
class TensorIndex {
 public:
  explicit TensorIndex(const Artifact& artifact);
  /// The tensor at `path`, or null.
  [[nodiscard]] const Tensor* find(std::string_view path) const;

 private:
  std::unordered_map<std::string_view, const Tensor*> by_path_;
};

/// The bounds `b` of `uniform_(-b, b)` that torch's modules and `torch.nn.init` would use for a
/// tensor of this name and shape; without repetitions. Empty when none is known (scalars, a bias
/// whose weight is not in the file).
///
/// fan_in = shape[1] * prod(shape[2:]) and fan_out = shape[0] * prod(shape[2:]), on the stored
/// shape, as torch.nn.init computes them:
///   1/sqrt(fan_in)              Linear, ConvNd, ConvTransposeNd (kaiming_uniform_ with a=sqrt(5))
///   sqrt(6/(fan_in + fan_out))  xavier_uniform_, in_proj_weight of MultiheadAttention
///   sqrt(6/fan_in)              kaiming_uniform_ for ReLU
///   sqrt(3/fan_in)              kaiming_uniform_ for a linear layer
///   1/sqrt(fan_out)             kaiming_uniform_ with a=sqrt(5), mode fan_out
/// A bias has the first bound of its weight; weights and biases of recurrent layers and cells have
/// 1/sqrt(hidden size), which weight_hh carries in shape[1].
[[nodiscard]] std::vector<double> candidate_bounds(const Tensor& tensor, const TensorIndex& index);

}  // namespace torchvet
