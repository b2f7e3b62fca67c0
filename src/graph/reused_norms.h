#pragma once

#include <vector>

#include "model/graph.h"

namespace torchvet {

/// Fills `GraphFacts::reused_norms`: batch norms whose running statistics serve two places of the
/// program that are fed by different layers and feed different ones. Needs the weight slots.
/// `live_nodes`: not in a branch that is never taken.
void find_reused_norms(const std::vector<bool>& live_nodes, Graph& graph);

}  // namespace torchvet
