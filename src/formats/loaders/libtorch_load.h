#pragma once

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// torch::load(value, path) of C++: what torch::save of C++ wrote, which is TorchScript.
[[nodiscard]] LoadOutcome load_libtorch(const Source& source, const Artifact& artifact,
                                        const Limits& limits);

/// torch::pickle_load of C++, given the bytes of the file.
[[nodiscard]] LoadOutcome load_libtorch_pickle(const Source& source, const Limits& limits);

}  // namespace torchvet
