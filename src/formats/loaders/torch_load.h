#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// How torch.load(path, weights_only=True) of a known release ends, on a machine with a CPU alone,
/// in a process that has allowed nothing. `artifact` is what the reader of the format made of the
/// file.
[[nodiscard]] LoadOutcome load_weights_only(const Source& source, const Artifact& artifact,
                                            TorchRelease release, const Limits& limits);

}  // namespace torchvet
