#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/gap.h"
#include "rule/finding.h"

namespace torchvet {

/// Findings about what a reader found wrong in the bytes: one for each member (or the file) that
/// has faults of these codes, with the first few as evidence. `message` gets the member, "" for the
/// file, and the first of its faults.
[[nodiscard]] std::vector<Finding> findings_of_faults(
    const Artifact& artifact, std::span<const ErrorCode> codes,
    const std::function<std::string(const std::string& member, const Fault& first)>& message);

}  // namespace torchvet
