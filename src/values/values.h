#pragma once

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills `Tensor::values` of the tensors in the plan, each storage byte read once, nothing else
/// touched. A tensor whose bytes are absent, out of range or compressed beyond the limits keeps no
/// facts and leaves a gap. The facts are the same for any number of `threads`; 0, or more than
/// there are processors, is one for each. Memory besides the mapped file is bounded by a constant
/// (about half a MiB for each piece in flight, of which there are 64 at most), apart from a
/// deflated storage, which is inflated as a whole within the limits, and one that lies in pieces,
/// which is put together.
void compute_values(Artifact& artifact, const ValuePlan& plan, const Limits& limits,
                    unsigned threads = 0);

}  // namespace torchvet
