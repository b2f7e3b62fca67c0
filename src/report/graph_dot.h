#pragma once

#include <string>
#include <vector>

#include "model/gap.h"
#include "model/graph.h"

namespace torchvet {

/// Graphs as pictures for Graphviz, one `digraph` a graph: operators, in a frame for each module;
/// what modules and constants hold in boxes; an arrow from where a value comes from to each operator
/// that takes it, with the argument's name. Numbers and texts among the arguments are in the
/// tooltip of the operator. What a block hands on, and what it is given, are dashed arrows.
///
/// Texts are escaped, and then quoted for dot; `gaps` are comments at the end.
[[nodiscard]] std::string graphs_dot(const std::vector<Graph>& graphs,
                                     const std::vector<Gap>& gaps);

}  // namespace torchvet
