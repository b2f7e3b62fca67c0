#pragma once

#include <string>

#include "engine/report.h"

namespace torchvet {

/// The JSON report as JSON Lines, for logs and for programs that read as they go: one object a
/// line, each with a `type`: first the `run`; each `artifact`, `finding`, `suppression`, the
/// `baseline`, the `series` with its `interval`s and `tensor`s, each `rule`; last the `summary`,
/// without which a file is not whole. Objects have the fields that they have in the JSON report.
[[nodiscard]] std::string jsonl_report(const Report& report);

}  // namespace torchvet
