#pragma once

#include <string_view>

namespace torchvet {

/// "aten" of "aten::linear"; all of it when there is no namespace.
[[nodiscard]] std::string_view namespace_of(std::string_view op);

/// True for operators that come with torch itself and compute from their arguments; all others are
/// known only where the library is loaded that registers them.
[[nodiscard]] bool is_built_in_operator(std::string_view op);

}  // namespace torchvet
