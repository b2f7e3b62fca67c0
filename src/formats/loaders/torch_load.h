#pragma once

#include <optional>

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "io/source.h"
#include "model/artifact.h"
#include "model/torch_release.h"

// torch.load of a known release, on a machine with a CPU alone, in a process that has allowed
// nothing. `artifact` is what the reader of the format made of the file.
namespace torchvet {

/// How torch.load ends that is given a path whose ending leads it to safetensors; nothing when it
/// does not.
[[nodiscard]] std::optional<LoadOutcome> load_by_name(const Source& source,
                                                      const Artifact& artifact,
                                                      TorchRelease release);

/// torch.load(path, weights_only=True)
[[nodiscard]] LoadOutcome load_weights_only(const Source& source, const Artifact& artifact,
                                            TorchRelease release, const Limits& limits);

/// torch.load(path, mmap=True), with weights_only=True, as is the default
[[nodiscard]] LoadOutcome load_mapped(const Source& source, const Artifact& artifact,
                                      TorchRelease release, const Limits& limits);

}  // namespace torchvet
