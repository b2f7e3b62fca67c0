#pragma once

#include <string>

#include "engine/report.h"

namespace torchvet {

/// JUnit's XML: a suite for each artifact, in it a case for each rule of the run. A case fails when
/// the rule found something at or above the `fail_on` of the run, is skipped when the artifact
/// lacks what the rule is about, and passes otherwise; what it found below that is its output. What
/// was not analysed is a case of its own with an error, so that a suite with a gap is never green.
[[nodiscard]] std::string junit_report(const Report& report);

}  // namespace torchvet
