#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "formats/zip.h"

namespace torchvet {

/// How a local header contradicts its entry in the directory: another name, method, checksum or
/// size. Empty when it does not; sizes and checksum of 0 say nothing. `header` holds the 30 fixed
/// bytes and as much of what follows as the entry's name is long.
[[nodiscard]] std::string local_difference(std::span<const std::uint8_t> header,
                                           const Member& member, std::uint64_t compressed);

/// Reports members that share bytes (kZipMembersOverlap), and headers of members that the directory
/// does not name (kZipStrayBytes). All members must be located.
void judge_layout(ByteView file, ZipDirectory& zip);

/// One place where an archive is not laid out as torch's writer does it.
struct LayoutBreak {
  std::uint64_t offset = 0;  ///< what should be there is elsewhere
  std::string member;        ///< "" for the directory
  std::string why;
};

/// torch's writer leaves no choice: each member begins where the one before ends, and its data at
/// the next multiple of `alignment` (not 0) behind its header. The first place that differs;
/// nothing when the archive is as torch wrote it. `begin` is the archive's own first byte.
[[nodiscard]] std::optional<LayoutBreak> find_layout_break(const ZipDirectory& zip,
                                                           std::uint64_t begin,
                                                           std::uint64_t alignment);

/// Where torch's writer puts the data of a member whose header is at `header`, and the header of
/// the member after it; nothing beyond 64 bits.
[[nodiscard]] std::optional<std::uint64_t> torch_data_offset(std::uint64_t header,
                                                             std::uint64_t name_size,
                                                             std::uint64_t size,
                                                             std::uint64_t alignment);
[[nodiscard]] std::optional<std::uint64_t> torch_next_header(std::uint64_t header,
                                                             std::uint64_t data,
                                                             std::uint64_t size);

}  // namespace torchvet
