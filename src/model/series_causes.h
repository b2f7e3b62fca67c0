#pragma once

#include <optional>
#include <vector>

#include "model/artifact.h"
#include "model/series.h"

namespace torchvet {

/// What a checkpoint tells of why its tensors did not move, for each of `tensors`.
[[nodiscard]] std::vector<StaticCause> static_causes(
    const Artifact& newest, const std::vector<std::optional<TensorId>>& tensors);

/// True when every optimizer of a checkpoint has only groups with a learning rate of 0, and there
/// is at least one.
[[nodiscard]] bool learning_rate_is_zero(const Artifact& artifact);

}  // namespace torchvet
