#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// torch.distributed.checkpoint.load of the folder; any file but its `.metadata` is no folder.
[[nodiscard]] LoadOutcome load_distributed(const Artifact& artifact);

}  // namespace torchvet
