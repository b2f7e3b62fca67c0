#pragma once

#include <string>
#include <string_view>

#include "engine/report.h"

namespace torchvet {

/// Of the JSON report. A field more is a minor version, one less or with another meaning a major
/// one.
inline constexpr std::string_view kReportSchemaVersion = "1.1";

/// The report as JSON, schema 1 (report-1.schema.json), ended by a newline. Bytes from an artifact
/// that are no UTF-8 are written as `\xNN`.
[[nodiscard]] std::string json_report(const Report& report);

}  // namespace torchvet
