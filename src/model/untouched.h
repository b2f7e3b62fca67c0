#pragma once

#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Parameters that still hold what torch's generator drew, as far as values were computed
/// (`kFingerprint`).
struct Untouched {
  std::vector<TensorId> tensors;
  /// More than half of the matrices that could be judged bear the mark: the file was saved before
  /// any training, which is said once and not of each tensor.
  bool before_training = false;
};

/// Only tensors whose name is that of a trained parameter of torch's modules count. Random
/// features, projections and other buffers are meant to stay as they were drawn, and slots of
/// optimizers are not drawn at all.
[[nodiscard]] Untouched untouched_parameters(const Artifact& artifact);

/// "fc.weight", "fc.bias", "rnn.weight_ih_l0", "attention.in_proj_weight", ...
[[nodiscard]] bool is_named_like_parameter(std::string_view path);

}  // namespace torchvet
