#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "model/gap.h"
#include "model/member.h"
#include "model/storage.h"

namespace torchvet {

class Source;

/// A zip's directory, read strictly. No member's data is touched until `member_bytes` asks for it.
struct ZipDirectory {
  std::vector<Member> members;  ///< in the order of the central directory
  /// The common folder of torch archives, "archive/": the first folder of the first member, as
  /// torch takes it. Empty when the first member is in no folder.
  std::string prefix;
  ByteRange directory;  ///< the central directory
  /// What is wrong with single members (kZipBadLocalHeader, kZipMemberOutside, kZipMembersOverlap,
  /// kZipEncrypted, kZipDuplicateName, kZipCaseDuplicate, kZipLocalDisagrees,
  /// kZipBadCentralDirectory when its entry contradicts itself) or, without a member's name, with
  /// what lies around them (kZipTwoDirectories, kZipStrayBytes); the reader of a format passes them
  /// on. A member that cannot be located has an empty `data` although its `size` may not be 0.
  std::vector<Fault> faults;

  /// One entry a member, sorted for `find_member`.
  struct NameEntry {
    std::uint64_t hash = 0;  ///< of the whole name in lower case
    MemberId member = 0;
  };
  std::vector<NameEntry> by_name;
};

/// The directory with every member located. The offset of a member's data is known only from its
/// local header, which lies in front of it: `source`, when given, must be the one that `file` is a
/// view of, and lets these small reads bypass the mapping.
/// Errors: kZipNoCentralDirectory (truncated, or no zip), kZipBadCentralDirectory, kLimitExceeded,
/// kOverflow.
[[nodiscard]] Result<ZipDirectory> read_zip_directory(ByteView file, const Limits& limits,
                                                      const Source* source = nullptr);

/// The directory alone: names and sizes, the members not located (`data.offset` is 0). It costs the
/// central directory and nothing else. Errors as above.
[[nodiscard]] Result<ZipDirectory> read_central_directory(ByteView file, const Limits& limits);

/// Index of the member `prefix + name`: the first with exactly this name, else, as torch does, the
/// first when ASCII case is ignored.
[[nodiscard]] std::optional<MemberId> find_member(const ZipDirectory& zip, std::string_view name);

/// The bytes of a stored member, where they lie.
/// Errors: kZipUnsupportedMethod when it is not stored, kZipEncrypted, kZipMemberOutside when it
/// was not located, kTruncated.
[[nodiscard]] Result<ByteView> stored_bytes(ByteView file, const Member& member);

/// The contents of a member, inflated into `buffer` when it is deflated, else where they lie.
/// Errors: as `stored_bytes`, kZipBadDeflate, kLimitExceeded (size or ratio).
[[nodiscard]] Result<ByteView> member_bytes(ByteView file, const Member& member,
                                            const Limits& limits, std::string& buffer);

/// The CRC-32 of the contents of a member, which are inflated piece by piece when it is deflated.
/// Errors: as `member_bytes`, but for the limit on the size.
[[nodiscard]] Result<std::uint32_t> member_checksum(ByteView file, const Member& member,
                                                    const Limits& limits);

}  // namespace torchvet
