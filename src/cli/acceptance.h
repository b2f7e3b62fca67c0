#pragma once

#include <string>
#include <vector>

#include "engine/report.h"

namespace torchvet {

/// What should be cleaned up in suppressions and in the baseline, a line each: a suppression that
/// is expired, that nothing needs, or that was written for another file; entries whose finding is
/// gone.
[[nodiscard]] std::vector<std::string> acceptance_notes(const Report& report);

}  // namespace torchvet
