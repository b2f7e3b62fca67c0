#pragma once

#include <string>

#include "engine/report.h"

namespace torchvet {

/// The report as JSON, schema 1 (report-1.schema.json), ended by a newline. Bytes from an artifact
/// that are no UTF-8 are written as `\xNN`.
[[nodiscard]] std::string json_report(const Report& report);

}  // namespace torchvet
