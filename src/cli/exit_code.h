#pragma once

namespace torchvet {

/// All that the process can end with.
enum ExitCode : int {
  kExitPass = 0,        ///< all that was asked was analysed; nothing at or above `--fail-on`
  kExitFail = 1,        ///< a finding at or above `--fail-on`
  kExitError = 2,       ///< usage, input or output, internal error; nothing matched
  kExitIncomplete = 3,  ///< part of what was asked was not analysed
  kExitInterrupted = 130,
};

}  // namespace torchvet
