#pragma once

#include <string>

#include "engine/policy.h"
#include "engine/report.h"

namespace torchvet {

/// Marks the findings that a suppression of the policy accepts, and writes down what became of each
/// suppression. Of several that accept one finding the first counts, and the others count as used.
void suppress(Report& report, const Policy& policy);

/// Does a suppression depend on the sha256 of this artifact?
[[nodiscard]] bool asks_for_sha256(const Policy& policy, const std::string& artifact_id);

}  // namespace torchvet
