#pragma once

#include <string>

namespace torchvet {

/// From now on a crash, and a copy that takes more than two seconds of processor time (or a minute
/// by the clock), end the process with the words last given to `begin_copy`.
void start_watchdog();

/// Names what is examined next and winds the clock up again.
void begin_copy(const std::string& words);

}  // namespace torchvet
