#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// torch.jit.load(path) on a machine with a CPU alone.
[[nodiscard]] LoadOutcome load_script(const Source& source, const Artifact& artifact,
                                      const Limits& limits);

/// The same with the exceptions still as `unpickle_as_libtorch` names them.
[[nodiscard]] LoadOutcome load_program(const Source& source, const Artifact& artifact,
                                       const Limits& limits);

}  // namespace torchvet
