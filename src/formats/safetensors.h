#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// What one safetensors file added to an artifact.
struct SafetensorsPart {
  std::vector<TensorId> tensors;  ///< in the order of the header
  std::uint64_t data_bytes = 0;   ///< of the buffer that they fill, as the header has it
};

/// Adds the tensors of one safetensors file to the artifact, each with a storage of its own, and
/// the file's `__metadata__`. `member` names the file when it is one of several. Sizes and offsets
/// are checked as the library checks them: what it refuses is a fault, and so is a name that the
/// header has twice, which it accepts.
SafetensorsPart add_safetensors(ByteView file, const Limits& limits, Artifact& artifact,
                                std::optional<MemberId> member = std::nullopt);

}  // namespace torchvet
