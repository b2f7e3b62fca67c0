#pragma once

#include "model/contract.h"

namespace torchvet {

/// Fills `Change::moved` and `same_numbers` of what is missing and what is unexpected.
void join_moved(const Expectation& expectation, const Artifact& artifact, Comparison& comparison);

}  // namespace torchvet
