#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace torchvet {

/// Writes a whole file or nothing: into a temporary file beside it, then renamed over `path`. What
/// exists and is no regular file (a pipe, a terminal, /dev/null) is written to directly; a symbolic
/// link keeps pointing where it did.
/// Errors: kWriteFailed with the system's reason.
[[nodiscard]] Result<void> write_atomically(const std::string& path, std::string_view content);

}  // namespace torchvet
