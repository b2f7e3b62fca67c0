#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/graph.h"

namespace torchvet {

/// A graph for people, one node a line, blocks indented:
///
///     graph forward(x: tensor)
///       y.1: tensor[2, 4] = aten::linear(input=x, weight=w, bias=None)  # fc, net.py:23
///           weight <- @fc.weight
///       return y.1
///
/// `@path` reads a module attribute, `CONSTANTS[0]` a tensor constant. What feeds a weight slot
/// stands below its operator, when the graph was analysed and the arguments do not say it already.
/// Texts are escaped.
[[nodiscard]] std::string graph_text(const Graph& graph);

/// A value as an argument of an operator: its literal, its attribute or its name. Escaped.
[[nodiscard]] std::string value_text(const Value& value);

/// The same graph as JSON: its values, nodes and blocks, which refer to each other by index.
[[nodiscard]] nlohmann::ordered_json graph_json(const Graph& graph);

}  // namespace torchvet
