#pragma once

#include <string>

#include "engine/report.h"
#include "report/text.h"

namespace torchvet {

/// Workflow commands of GitHub Actions, which become annotations: the findings that
/// `TextOptions::show` asks for, what could not be read or analysed, and a last line that is no
/// command. A step shows ten annotations of each level; of more, the tenth says how many it hides.
[[nodiscard]] std::string github_report(const Report& report, const TextOptions& options);

}  // namespace torchvet
