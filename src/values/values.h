#pragma once

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills `Tensor::values` of the tensors in the plan, each storage byte read once, nothing else
/// touched. A tensor whose bytes are absent, out of range or compressed beyond the limits keeps no
/// facts and leaves a gap.
void compute_values(Artifact& artifact, const ValuePlan& plan, const Limits& limits);

}  // namespace torchvet
