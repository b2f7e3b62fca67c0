#pragma once

#include "model/graph.h"

namespace torchvet {

/// Fills `GraphFacts::thrown_calls`: operators that leave their arguments as they are, whose result
/// nothing reads, called by a line of the author's source that does nothing but this call.
void find_thrown_calls(Graph& graph);

}  // namespace torchvet
