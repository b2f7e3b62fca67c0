#pragma once

#include <string_view>

namespace torchvet {

/// The name that the tables of operators use: "linear" for "aten::linear".
inline std::string_view short_name(std::string_view op) {
  constexpr std::string_view kAten = "aten::";
  return op.starts_with(kAten) ? op.substr(kAten.size()) : op;
}

}  // namespace torchvet
