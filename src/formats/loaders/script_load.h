#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// torch.jit.load(path), and torch::jit::load of C++, on a machine with a CPU alone.
[[nodiscard]] LoadOutcome load_script(const Source& source, const Artifact& artifact,
                                      const Limits& limits);

}  // namespace torchvet
