#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// torch.export.load(path).
[[nodiscard]] LoadOutcome load_export(const Source& source, const Artifact& artifact,
                                      TorchRelease release, const Limits& limits);

}  // namespace torchvet
