#pragma once

#include <string_view>

namespace torchvet {

/// The text of operators_of_torch.tsv, put into the program when it is built.
[[nodiscard]] std::string_view operators_of_torch();

}  // namespace torchvet
