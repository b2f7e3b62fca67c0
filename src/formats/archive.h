#pragma once

#include <memory>
#include <optional>

#include "formats/zip.h"
#include "io/source.h"
#include "model/artifact.h"

namespace torchvet {

/// The directory of the zip that a format lies in. Its members go to the artifact, and what is wrong
/// with single ones becomes faults. Nothing, and a fault, when there is no directory to be read.
[[nodiscard]] std::optional<ZipDirectory> open_archive(const Source& source, const Limits& limits,
                                                       Artifact& artifact);

}  // namespace torchvet
