#pragma once

#include <vector>

#include "core/limits.h"
#include "model/artifact.h"
#include "model/pair_facts.h"

namespace torchvet {

/// Compares tensors of two checkpoints, each byte of both read once. A pair is left out when its
/// types or shapes differ, when the bytes of one are absent, out of range or compressed beyond the
/// limits, and when its elements name the same bytes over and over (`Limits::value_ratio`). The
/// facts are the same for any number of `threads`; 0, or more than there are processors, is one for
/// each. Memory is bounded as that of `compute_values` is, once for each checkpoint. A deflated
/// storage that is not what its archive says, also behind the last tensor that was compared, is a
/// fault and a gap of its checkpoint.
[[nodiscard]] Changes compare_values(Artifact& before, Artifact& after,
                                     const std::vector<TensorPair>& pairs, const Limits& limits,
                                     unsigned threads = 0);

}  // namespace torchvet
