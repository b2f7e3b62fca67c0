#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// How safetensors.torch.load_file ends.
[[nodiscard]] LoadOutcome load_safetensors(const Source& source, const Artifact& artifact);

}  // namespace torchvet
