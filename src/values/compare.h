#pragma once

#include <optional>

#include "model/artifact.h"
#include "model/pair_facts.h"

namespace torchvet {

/// Compares the numbers of two tensors of the same floating-point type (64, 32 or 16 bits) and
/// shape, which may lie in two files. Nothing when their types or shapes differ, when there is no
/// element, or when the bytes of one are absent, out of range or compressed. Each byte of both is
/// read once; the sums are made in double, in an order that is always the same.
[[nodiscard]] std::optional<PairFacts> compare_values(const Artifact& before, TensorId before_id,
                                                      const Artifact& after, TensorId after_id);

}  // namespace torchvet
