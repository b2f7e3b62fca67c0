#pragma once

#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Fills what `GraphFacts` says of scores and probabilities: operators that make the one into the
/// other twice, in a way that loses digits, or over a single class. Needs the weight slots.
/// `live_nodes`: not in a branch that is never taken.
void find_scores(const Artifact& artifact, const std::vector<bool>& live_nodes, Graph& graph);

}  // namespace torchvet
