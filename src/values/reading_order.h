#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// The order in which a `TensorOpener` opens these tensors, as positions in `tensors`: storage by
/// storage, and in a deflated one so that it is inflated as often as tensors lie over each other in
/// one place, and only once when none do or when it has to be held anyway.
[[nodiscard]] std::vector<std::size_t> reading_order(const Artifact& artifact,
                                                     std::span<const TensorId> tensors);

}  // namespace torchvet
