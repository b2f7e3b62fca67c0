#pragma once

#include <span>

#include "rule/rule.h"

namespace torchvet {

/// Every rule, sorted by code.
[[nodiscard]] std::span<const Rule* const> all_rules();

}  // namespace torchvet
