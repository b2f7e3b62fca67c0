#pragma once

#include <optional>
#include <vector>

#include "model/artifact.h"
#include "model/series.h"

namespace torchvet {

/// Fills in why tracks do not move, as the newest checkpoint tells it; `tensors` has, for each
/// track, the tensor in it.
///
/// Where the optimizer's parameters cannot be told by name, their number may tell: what moved is
/// listed, and so is, by all likelihood, what stands beside it in a module. When as many are listed
/// as that makes, what else is static is not listed; when as many are listed as there are, what is
/// static is, and has a learning rate of 0 when as many have.
void name_causes(const Artifact& newest, const std::vector<std::optional<TensorId>>& tensors,
                 std::vector<Track>& tracks);

/// True when every optimizer of a checkpoint has only groups with a learning rate of 0, and there
/// is at least one.
[[nodiscard]] bool learning_rate_is_zero(const Artifact& artifact);

}  // namespace torchvet
