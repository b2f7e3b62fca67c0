#pragma once

#include <optional>

#include "model/artifact.h"

namespace torchvet {

/// What can be told of a sparse tensor from the values that it names.
inline constexpr Quantities kSparseQuantities = kMoments | kSums;

/// The tensor that holds the named values of a sparse one. Nothing for other tensors, and where an
/// element may be named more than once: then its value is a sum, which no single value tells.
[[nodiscard]] std::optional<TensorId> values_of_sparse(const Artifact& artifact,
                                                       const Tensor& tensor);

/// Facts about all elements of a sparse tensor: those of its values and zeros for the rest. Nothing
/// when the values could not be read, or are more than the tensor has elements.
[[nodiscard]] std::optional<ValueFacts> sparse_facts(const Tensor& tensor, const Tensor& values,
                                                     Quantities wanted);

}  // namespace torchvet
