#pragma once

#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// True for names that torch.nn gives to parameters that are drawn: "weight", "bias",
/// "in_proj_weight", "weight_ih_l0". Other tensors may be masks, tables, or random on purpose.
[[nodiscard]] bool is_weight_name(std::string_view tensor_name);

/// False for a moving average where the file holds the model as well: it repeats what is said of
/// it.
[[nodiscard]] bool is_own_model(const Artifact& artifact, const StateDict& state);

/// A parameter by its name, and by its role where the file tells; its numbers can be read.
[[nodiscard]] bool is_weight(const Artifact& artifact, const StateEntry& entry);

/// True for names of embedding tables, by their habits: rows of them stand for tokens and the like.
[[nodiscard]] bool is_table_name(std::string_view tensor_name);

/// Weights of real floating point with at least 64 numbers and at least two sizes above 1, each
/// tensor once, in file order.
[[nodiscard]] std::vector<StateEntry> weight_matrices(const Artifact& artifact,
                                                      const StateDict& state);

/// Asks for the quantities of the weight matrices of all models in the file that `judged` takes; of
/// all of them without it.
[[nodiscard]] ValuePlan plan_of_matrices(const Artifact& artifact, Quantities quantities,
                                         bool (*judged)(const Tensor&) = nullptr);

}  // namespace torchvet
