#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "formats/zip.h"
#include "model/artifact.h"

namespace torchvet {

/// A record, or the name of a member, for which torch's loaders refuse a whole archive.
enum class RecordProblem : std::uint8_t {
  kOutsideFolder,    ///< the member lies outside the folder of the first one
  kNameNoText,       ///< its name is no UTF-8
  kVersionNoNumber,  ///< the version does not begin with one
  kVersionOverflow,  ///< it is none that fits 64 bits, or negative
  kVersionTooOld,
  kVersionTooNew,
  kIdNoText,           ///< the id of the contents is no UTF-8; seen when all else is loaded
  kAlignmentNoNumber,  ///< of the storages
};

struct RefusedRecord {
  MemberId member = 0;
  RecordProblem problem = RecordProblem::kOutsideFolder;
  std::string text;           ///< of the record
  std::uint64_t version = 0;  ///< for kVersionTooOld and kVersionTooNew
};

/// Versions that torch 1.0 to 2.15 read.
inline constexpr std::uint64_t kOldestArchiveVersion = 1, kNewestArchiveVersion = 10;

/// The record from which torch's reader takes the version of the archive, which must be there.
[[nodiscard]] std::optional<MemberId> version_record(const ZipDirectory& zip);

/// All of them, at most one of each sort but of the versions, of which there is one. A missing
/// version is left to the caller, as is a record that cannot be read.
[[nodiscard]] std::vector<RefusedRecord> find_refused_records(ByteView archive,
                                                              const ZipDirectory& zip,
                                                              const Limits& limits);

/// Why torch's loaders of Python refuse an archive before they build anything from it, whatever it
/// holds: the same as faults (kArchiveRefused), with the name of the member that is to blame.
/// `torch.jit.load` minds the version only.
[[nodiscard]] std::vector<Fault> refused_records(ByteView archive, const ZipDirectory& zip,
                                                 const Limits& limits);

/// Adds those faults to the artifact, and, where there is no version, a fault and a gap.
void check_records(ByteView archive, const ZipDirectory& zip, const Limits& limits,
                   Artifact& artifact);

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
