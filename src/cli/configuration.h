#pragma once

#include "cli/config_file.h"
#include "cli/options.h"

namespace torchvet {

/// What all layers together ask for: defaults, the user's file, the project's file, the
/// environment, the command line; a later one is stronger.
///
/// Of one option the strongest value counts. `--severity`, `--limit`, `--ignore`, `--extend-select`
/// and `--suppressions` add to what weaker layers say. A `--select` starts anew: what weaker layers
/// say about the choice of rules, in `paths` too, does not count.
/// Faults: what is wrong, each with its origin.
[[nodiscard]] OrFaults<Options> configure(const CommandLine& line);

}  // namespace torchvet
