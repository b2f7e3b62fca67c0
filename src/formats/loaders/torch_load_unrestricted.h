#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// torch.load(path, weights_only=False) in an environment of which no more is known than that it
/// has torch. `restricted` is how it ends with weights_only=True.
[[nodiscard]] LoadOutcome load_unrestricted(const Source& source, const Artifact& artifact,
                                            const LoadOutcome& restricted, TorchRelease release,
                                            const Limits& limits);

}  // namespace torchvet
