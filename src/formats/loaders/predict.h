#pragma once

#include <span>
#include <string_view>

#include "core/limits.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// Fills `artifact.loaders`, after the reader of the format is done, with the loaders of these
/// names, or with all when none is named. No byte of a storage is read.
void predict_loaders(const Source& source, TorchRelease release,
                     std::span<const std::string_view> names, const Limits& limits,
                     Artifact& artifact);

}  // namespace torchvet
