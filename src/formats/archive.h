#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "formats/read.h"
#include "formats/zip.h"
#include "io/source.h"
#include "model/artifact.h"

namespace torchvet {

/// The directory of the zip that a format lies in. Its members go to the artifact, and what is
/// wrong with single ones becomes faults: also checksums that do not fit (of programs and small
/// records always, of all with `digest`), and a layout that is not the one torch's writer makes.
/// Nothing, and a fault, when there is no directory to be read.
[[nodiscard]] std::optional<ZipDirectory> open_archive(const Source& source,
                                                       const ReadOptions& options,
                                                       Artifact& artifact);

/// The faults of a directory, each under `prefix` and its member's name. Those that leave something
/// unread leave a gap.
void add_archive_faults(const ZipDirectory& zip, std::string_view prefix, Artifact& artifact);

/// The alignment of storages that an archive of torch names, in bytes; 64 when it names none,
/// nothing when what it names is no alignment.
[[nodiscard]] std::optional<std::uint64_t> storage_alignment(ByteView file, const ZipDirectory& zip,
                                                             const Limits& limits);

}  // namespace torchvet
