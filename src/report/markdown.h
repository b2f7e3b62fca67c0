#pragma once

#include <string>

#include "engine/report.h"
#include "report/text.h"

namespace torchvet {

/// Markdown for the summary of a CI run, below the 1,000,000 bytes that GitHub takes of a step: the
/// verdict, the table of a series or of two files, then the findings that `TextOptions` asks for, errors
/// first, then what was not analysed. What does not fit is counted.
[[nodiscard]] std::string markdown_report(const Report& report, const TextOptions& options);

}  // namespace torchvet
