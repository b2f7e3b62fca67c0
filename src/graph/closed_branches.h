#pragma once

#include "graph/attribute_numbers.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills `GraphFacts::closed_branches`: branches that a flag of a module rules out, and the parameters
/// that are read nowhere else. The mode of training is no such flag.
void find_closed_branches(const Artifact& artifact, const AttributeNumbers& numbers, Graph& graph);

}  // namespace torchvet
