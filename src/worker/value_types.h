#pragma once

#include <ATen/core/jit_type.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "model/graph.h"

namespace torchvet {

/// A type of LibTorch in the words of the neutral model.
[[nodiscard]] ValueType type_of(const c10::Type& type);

/// The shape that a tensor's type states, -1 for what it leaves open; nothing for all else.
[[nodiscard]] std::optional<std::vector<std::int64_t>> shape_of(const c10::Type& type);

}  // namespace torchvet
