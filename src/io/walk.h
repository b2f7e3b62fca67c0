#pragma once

#include <string>
#include <vector>

#include "core/error.h"

namespace torchvet {

struct WalkOptions {
  bool follow_symlinks = false;
};

/// Every regular file below a directory, sorted by path so that the order never depends on the file
/// system. Symbolic links are not followed unless asked for; one that is skipped is not an error.
struct WalkResult {
  std::vector<std::string> files;
  std::vector<Error> errors;  ///< folders that could not be read
};

/// Errors: kFileNotFound, kPermissionDenied, kNotAFile (no directory) for `root` itself.
[[nodiscard]] Result<WalkResult> walk(const std::string& root, const WalkOptions& options);

}  // namespace torchvet
