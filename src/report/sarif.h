#pragma once

#include <string>

#include "engine/report.h"

namespace torchvet {

/// SARIF 2.1.0 in the form that code scanning takes: at most 5,000 results, the worst first.
[[nodiscard]] std::string sarif_report(const Report& report);

}  // namespace torchvet
