#pragma once

#include <string>

namespace torchvet {

/// What is said to somebody who gives no command: what the program is for, a few commands, and
/// which of them to begin with here. Looks at the names in the folder and into nothing.
[[nodiscard]] std::string first_words(const std::string& folder);

}  // namespace torchvet
