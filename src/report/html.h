#pragma once

#include <string>

#include "engine/report.h"
#include "report/text.h"

namespace torchvet {

/// The report as one file of HTML that needs no other and no network, for people who would rather
/// look than read. Of the options only `show` counts: the page has filters for the rest. The same
/// bytes for the same report.
[[nodiscard]] std::string html_report(const Report& report, const TextOptions& options);

}  // namespace torchvet
