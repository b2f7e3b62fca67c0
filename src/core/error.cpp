#include "core/error.h"

namespace torchvet {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFileNotFound: return "file-not-found";
    case ErrorCode::kPermissionDenied: return "permission-denied";
    case ErrorCode::kNotAFile: return "not-a-file";
    case ErrorCode::kReadFailed: return "read-failed";
    case ErrorCode::kWriteFailed: return "write-failed";
    case ErrorCode::kConfigInvalid: return "config-invalid";
    case ErrorCode::kTruncated: return "truncated";
    case ErrorCode::kOverflow: return "overflow";
    case ErrorCode::kLimitExceeded: return "limit-exceeded";
    case ErrorCode::kInvalidText: return "invalid-text";
    case ErrorCode::kZipNoCentralDirectory: return "zip-no-central-directory";
    case ErrorCode::kZipBadCentralDirectory: return "zip-bad-central-directory";
    case ErrorCode::kZipBadLocalHeader: return "zip-bad-local-header";
    case ErrorCode::kZipMemberOutside: return "zip-member-outside";
    case ErrorCode::kZipMembersOverlap: return "zip-members-overlap";
    case ErrorCode::kZipUnsupportedMethod: return "zip-unsupported-method";
    case ErrorCode::kZipEncrypted: return "zip-encrypted";
    case ErrorCode::kZipBadDeflate: return "zip-bad-deflate";
    case ErrorCode::kZipMemberMissing: return "zip-member-missing";
    case ErrorCode::kZipDuplicateName: return "zip-duplicate-name";
    case ErrorCode::kZipCaseDuplicate: return "zip-case-duplicate";
    case ErrorCode::kZipLocalDisagrees: return "zip-local-disagrees";
    case ErrorCode::kZipTwoDirectories: return "zip-two-directories";
    case ErrorCode::kZipStrayBytes: return "zip-stray-bytes";
    case ErrorCode::kZipChecksum: return "zip-checksum";
    case ErrorCode::kZipRepacked: return "zip-repacked";
    case ErrorCode::kZipOffsetsMoved: return "zip-offsets-moved";
    case ErrorCode::kArchiveRefused: return "archive-refused";
    case ErrorCode::kTarBadHeader: return "tar-bad-header";
    case ErrorCode::kPickleUnknownOpcode: return "pickle-unknown-opcode";
    case ErrorCode::kPickleStackUnderflow: return "pickle-stack-underflow";
    case ErrorCode::kPickleNoMark: return "pickle-no-mark";
    case ErrorCode::kPickleMemoMissing: return "pickle-memo-missing";
    case ErrorCode::kPickleBadNumber: return "pickle-bad-number";
    case ErrorCode::kPickleBadString: return "pickle-bad-string";
    case ErrorCode::kPickleBadTarget: return "pickle-bad-target";
    case ErrorCode::kPickleNoStop: return "pickle-no-stop";
    case ErrorCode::kPickleBadName: return "pickle-bad-name";
    case ErrorCode::kPickleBadFrame: return "pickle-bad-frame";
    case ErrorCode::kTensorBadArguments: return "tensor-bad-arguments";
    case ErrorCode::kStorageBadReference: return "storage-bad-reference";
    case ErrorCode::kStorageMissing: return "storage-missing";
    case ErrorCode::kStorageTwoTypes: return "storage-two-types";
    case ErrorCode::kRecordTooShort: return "record-too-short";
    case ErrorCode::kRecordTooLong: return "record-too-long";
    case ErrorCode::kByteOrderUnknown: return "byte-order-unknown";
    case ErrorCode::kLegacyBadMagic: return "legacy-bad-magic";
    case ErrorCode::kLegacyBadProtocol: return "legacy-bad-protocol";
    case ErrorCode::kLegacyBadKeys: return "legacy-bad-keys";
    case ErrorCode::kSafetensorsBadHeader: return "safetensors-bad-header";
    case ErrorCode::kShardMissing: return "shard-missing";
    case ErrorCode::kShardReplaced: return "shard-replaced";
    case ErrorCode::kIndexMissing: return "index-missing";
    case ErrorCode::kDcpBadMetadata: return "dcp-bad-metadata";
    case ErrorCode::kChunkCoverage: return "chunk-coverage";
    case ErrorCode::kIndexDisagrees: return "index-disagrees";
    case ErrorCode::kIndexTotal: return "index-total";
    case ErrorCode::kIndexStale: return "index-stale";
    case ErrorCode::kUnsafePath: return "unsafe-path";
    case ErrorCode::kDebugInfoInvalid: return "debug-info-invalid";
    case ErrorCode::kJsonInvalid: return "json-invalid";
    case ErrorCode::kJsonDuplicateKey: return "json-duplicate-key";
    case ErrorCode::kExportedBadProgram: return "exported-bad-program";
    case ErrorCode::kFormatUnknown: return "format-unknown";
    case ErrorCode::kFormatUnsupported: return "format-unsupported";
    case ErrorCode::kWorkerMissing: return "worker-missing";
    case ErrorCode::kWorkerFailed: return "worker-failed";
    case ErrorCode::kWorkerTimeout: return "worker-timeout";
    case ErrorCode::kWorkerBadReply: return "worker-bad-reply";
    case ErrorCode::kGraphRefused: return "graph-refused";
  }
  return "unknown";
}

}  // namespace torchvet
