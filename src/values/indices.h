#pragma once

#include <vector>

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// Looks at the numbers that say where the elements of these sparse and nested tensors are, one after the other, and
/// fills `ValueFacts::index_problem`: whether each lies inside the tensor. Those whose numbers cannot
/// be read leave a gap, and a deflated storage that is broken a fault. Memory is bounded by a constant
/// for each tensor; what is read, as for `compute_values`, by `Limits::value_ratio`.
void check_indices(Artifact& artifact, const std::vector<TensorId>& tensors, const Limits& limits);

}  // namespace torchvet
