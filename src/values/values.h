#pragma once

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills `Tensor::values` of the tensors in the plan, each storage byte read once, nothing else
/// touched. A tensor whose bytes are absent, out of range or compressed beyond the limits keeps no
/// facts and leaves a gap; a deflated storage that is broken leaves a fault of its member too. The
/// facts are the same for any number of `threads`; 0, or more than there are processors, is one for
/// each, and the same whether a storage is deflated or not. Memory besides the mapped file is bounded
/// by a constant (about half a MiB for each piece in flight, of which there are 64 at most), apart
/// from a storage that lies in pieces, which is put together, and a deflated one of which some tensor
/// is transposed, expanded or overlaps itself, which is held up to `Limits::inflated_bytes`. A
/// deflated storage is inflated once, or, when tensors share bytes of it, as often as there are
/// different ones in one place; for all together no more than `Limits::value_ratio` times the file.
void compute_values(Artifact& artifact, const ValuePlan& plan, const Limits& limits,
                    unsigned threads = 0);

/// From now on no numbers are looked at by more threads than these, at least 1, in this process.
void set_most_threads(unsigned threads);

}  // namespace torchvet
