#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "formats/zip.h"
#include "model/gap.h"

namespace torchvet {

/// Why torch's loaders of Python refuse an archive before they build anything from it, whatever it
/// holds: a member outside the archive's folder, a name that is no UTF-8, a version that is no
/// number or that no reader knows, an id that is no UTF-8, an alignment
/// that is no number. At most one fault of each sort
/// (kArchiveRefused), with the name of the member where one is to blame. A missing version is left
/// to the reader of the format. `torch.jit.load` minds the version only.
[[nodiscard]] std::vector<Fault> refused_records(ByteView archive, const ZipDirectory& zip,
                                                 const Limits& limits);

/// Whether the numbers of the storages are big-endian, as the record `byteorder` says; without it they
/// are little-endian.
/// Errors: kByteOrderUnknown, those of `member_bytes`.
[[nodiscard]] Result<bool> is_big_endian(ByteView archive, const ZipDirectory& zip,
                                         const Limits& limits);

/// `wanted` is what the record `name` must hold exactly; one that is not there is no fault.
[[nodiscard]] std::vector<Fault> refused_unless(ByteView archive, const ZipDirectory& zip,
                                                const Limits& limits, std::string_view name,
                                                std::string_view wanted);

}  // namespace torchvet
