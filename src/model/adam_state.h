#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "model/artifact.h"

namespace torchvet {

/// Options of a group of Adam, AdamW and their like.
struct AdamNumbers {
  std::optional<double> beta2;
  std::optional<double> eps;
};
[[nodiscard]] AdamNumbers adam_numbers(const Artifact& artifact, const OptimizerState& optimizer,
                                       std::size_t group);

/// A slot ("exp_avg", "exp_avg_sq") of a parameter that has both of Adam's moments.
[[nodiscard]] std::optional<TensorId> adam_slot(const OptimizerEntry& entry, std::string_view slot);

}  // namespace torchvet
