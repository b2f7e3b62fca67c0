#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/graph.h"

namespace torchvet {

/// The result of an operator on booleans, numbers and None when its inputs settle it, by their
/// literals or by their types: `not True`, `1 < 2`, `x is None` where x is a tensor. Nothing
/// otherwise. Such operators decide branches that a caller's arguments have already decided
/// (`F.relu(x, inplace=False)`); without this, dead branches would look alive.
[[nodiscard]] std::optional<Literal> fold_operator(std::string_view op,
                                                   const std::vector<const Value*>& inputs);

}  // namespace torchvet
