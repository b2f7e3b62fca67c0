#pragma once

#include "graph/attribute_numbers.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills what `GraphFacts` says of a whole method rather than of single slots: where gradients end,
/// random numbers in the results, conditions on data, results that nobody reads, baked batch sizes.
/// Needs the weight slots. What a kind of artifact cannot show is not there: see the rules' pages.
void find_reach(const Artifact& artifact, const AttributeNumbers& numbers, Graph& graph);

}  // namespace torchvet
