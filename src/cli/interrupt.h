#pragma once

namespace torchvet {

/// From now on the first SIGINT only sets a flag, so that the report of what is done can still be
/// written; the second one ends the process as usual.
void watch_interrupts();
[[nodiscard]] bool interrupted();

}  // namespace torchvet
