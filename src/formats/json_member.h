#pragma once

#include <optional>

#include "formats/zip.h"
#include "json/document.h"
#include "model/artifact.h"

namespace torchvet {

/// The JSON text that a member of an archive is; on a failure a fault of the artifact, and nothing. A
/// key that stands twice in an object is a fault as well.
[[nodiscard]] std::optional<JsonDocument> json_member(ByteView file, const Member& member,
                                                      const Limits& limits, Artifact& artifact);

}  // namespace torchvet
