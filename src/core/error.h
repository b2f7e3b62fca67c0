#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace torchvet {

/// Every way an input can be wrong, one value each. The name printed for a code (`name_of`) is part
/// of the JSON report, so a value is never renamed.
enum class ErrorCode : std::uint16_t {
  // The environment. The command line reports these itself, with exit code 2.
  kFileNotFound,
  kPermissionDenied,
  kNotAFile,
  kReadFailed,
  kWriteFailed,
  kConfigInvalid,

  // Any reader.
  kTruncated,      ///< the bytes end before the structure does
  kOverflow,       ///< a size or offset from the file does not fit into 64 bits
  kLimitExceeded,  ///< a cap of `Limits` was reached
  kInvalidText,    ///< text that must be UTF-8 is not

  // Zip containers.
  kZipNoCentralDirectory,
  kZipBadCentralDirectory,
  kZipBadLocalHeader,
  kZipMemberOutside,  ///< a member reaches past the end of the file
  kZipMembersOverlap,
  kZipUnsupportedMethod,
  kZipEncrypted,
  kZipBadDeflate,
  kZipMemberMissing,
  kZipDuplicateName,   ///< two members of one name
  kZipCaseDuplicate,   ///< two members whose names differ only in case
  kZipLocalDisagrees,  ///< a local header tells another member than the directory
  kZipTwoDirectories,  ///< readers differ in which bytes they take for the directory
  kZipStrayBytes,      ///< bytes before, between or after the members that are no part of any
  kZipChecksum,        ///< the contents of a member are not those that its checksum was made of
  kZipRepacked,        ///< not laid out as torch's writer does
  kZipOffsetsMoved,    ///< so that storages are not where torch can compute them to be
  kArchiveRefused,     ///< torch's reader opens no such archive, whatever it holds

  // Tar archives.
  kTarBadHeader,  ///< a block that should be the header of a member is none

  // Pickles.
  kPickleUnknownOpcode,
  kPickleStackUnderflow,
  kPickleNoMark,
  kPickleMemoMissing,
  kPickleBadNumber,
  kPickleBadString,
  kPickleBadTarget,  ///< an opcode that changes an object met an object of the wrong type
  kPickleNoStop,
  kPickleBadName,   ///< a name to import that cannot be there
  kPickleBadFrame,  ///< an operand reaches over the end of the frame that it starts in

  // Tensors and storages as the torch formats describe them.
  kTensorBadArguments,
  kStorageBadReference,
  kStorageMissing,
  kStorageTwoTypes,    ///< one storage is named with two element types
  kRecordTooShort,     ///< a storage has fewer bytes than the pickle says
  kRecordTooLong,      ///< and more
  kByteOrderUnknown,   ///< neither little nor big

  // torch.save before the zip format.
  kLegacyBadMagic,
  kLegacyBadProtocol,
  kLegacyBadKeys,

  // safetensors, and checkpoints of several files.
  kSafetensorsBadHeader,  ///< what the safetensors library refuses
  kShardMissing,          ///< a file that an index names is not there
  kShardReplaced,         ///< and something else is in its place
  kIndexMissing,          ///< shards lie beside each other, and no index
  kDcpBadMetadata,  ///< not what torch.distributed.checkpoint writes
  kChunkCoverage,   ///< the chunks of a tensor leave a hole, overlap, or reach outside
  kIndexDisagrees,  ///< an index and the files that it names tell different things
  kIndexTotal,      ///< the total size in an index is not that of its tensors
  kIndexStale,      ///< a file of an earlier save that no index names
  kUnsafePath,      ///< a name that leads out of the folder

  // Source maps of TorchScript.
  kDebugInfoInvalid,

  // JSON texts, and the programs of torch.export in them.
  kJsonInvalid,
  kJsonDuplicateKey,
  kExportedBadProgram,  ///< not what torch's schema allows

  // Formats as a whole.
  kFormatUnknown,
  kFormatUnsupported,

  // The graph worker.
  kWorkerMissing,
  kWorkerFailed,
  kWorkerTimeout,
  kWorkerBadReply,
  kGraphRefused,  ///< LibTorch could not import the program
};

/// The stable name of a code: "truncated", "zip-no-central-directory", ...
[[nodiscard]] std::string_view name_of(ErrorCode code);

/// One thing that went wrong: what, where in the file (absolute byte offset; 0 when it concerns the
/// file as a whole), and a sentence for people without a full stop at its end.
struct Error {
  ErrorCode code;
  std::uint64_t offset = 0;
  std::string detail;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// Shorthand for the failing branch: `return fail(ErrorCode::kTruncated, at, "...")`.
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::uint64_t offset,
                                                std::string detail) {
  return tl::unexpected<Error>(Error{code, offset, std::move(detail)});
}

}  // namespace torchvet
