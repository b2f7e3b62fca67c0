#pragma once

#include "model/artifact.h"

namespace torchvet {

/// Fills `graph.facts` of every graph: what feeds each weight slot, the state of each training
/// switch, device literals, and what is read. See the essay in provenance.cpp.
void analyse_graphs(Artifact& artifact);

}  // namespace torchvet
