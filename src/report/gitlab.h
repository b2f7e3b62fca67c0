#pragma once

#include <string>

#include "engine/report.h"

namespace torchvet {

/// A Code Quality report of GitLab CI: a JSON array with one object for each new finding and for
/// each part that was not analysed, which must not look like a file without findings.
[[nodiscard]] std::string gitlab_report(const Report& report);

}  // namespace torchvet
