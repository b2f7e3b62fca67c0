#pragma once

#include <string_view>

namespace torchvet {

/// The style sheet and the script of the page: the files in src/report/html/, put into the program
/// when it is built.
[[nodiscard]] std::string_view page_style();
[[nodiscard]] std::string_view page_script();

}  // namespace torchvet
