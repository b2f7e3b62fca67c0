#pragma once

#include "core/limits.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// Fills `artifact.loaders`, after the reader of the format is done. No byte of a storage is read.
void predict_loaders(const Source& source, TorchRelease release, const Limits& limits,
                     Artifact& artifact);

}  // namespace torchvet
