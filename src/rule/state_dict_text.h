#pragma once

#include <string>

#include "model/artifact.h"
#include "rule/finding.h"

namespace torchvet {

/// Where a state_dict is: its path, and the pickle that holds it.
[[nodiscard]] Location location_of(const Artifact& artifact, const StateDict& state);

/// The Python expression for it in code that loaded the file: `state` for the whole file, else
/// `checkpoint["model"]`; `state` too for a path that is more than plain keys.
[[nodiscard]] std::string variable_of(const StateDict& state);

}  // namespace torchvet
