#include "formats/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "formats/zip_layout.h"

namespace torchvet {
namespace {

/// True for faults in spite of which every member was read.
bool left_nothing_unread(ErrorCode code) {
  switch (code) {
    case ErrorCode::kZipLocalDisagrees:
    case ErrorCode::kZipMembersOverlap:
      return true;
    default:
      return false;
  }
}

/// What a reader reads anyway: programs, descriptions of a model, and records of a few bytes.
bool is_read_anyway(std::string_view name) {
  constexpr std::uint64_t kNames = 6;
  static constexpr std::array<std::string_view, kNames> kRecords = {
      "/version",         "/byteorder",     "/archive_format",
      "/.format_version", "/.data/version", "/.storage_alignment"};
  static constexpr std::array<std::string_view, 3> kEndings = {".pkl", ".py", ".json"};
  // Of a program before torch 2.8, whose members Python reads, which compares their checksums.
  if (name == "version" || (name.starts_with("serialized_") && name.ends_with(".pt"))) return true;
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  return ends(".debug_pkl") || std::any_of(kEndings.begin(), kEndings.end(), ends) ||
         std::any_of(kRecords.begin(), kRecords.end(), ends);
}

/// A checksum of 0 is one that was not recorded (`torch.serialization.set_crc32_options(False)`,
/// and what torch skips the data of).
void check_checksums(ByteView file, const ZipDirectory& zip, const ReadOptions& options,
                     Artifact& artifact) {
  // Members of a hostile archive may share bytes, or inflate to many times what they take.
  std::uint64_t left = options.limits.inflated_bytes;
  if (options.digest) left += std::min(2 * file.size(), UINT64_MAX - left);
  for (const Member& member : zip.members) {
    if (member.crc32 == 0 || member.size == 0) continue;
    if (!options.digest &&
        (!is_read_anyway(member.name) || member.size > options.limits.json_bytes)) {
      continue;
    }
    if (member.size > left) {
      artifact.add_gap("checksums", "the members take too many bytes to look at all of them");
      return;
    }
    left -= member.size;
    const Result<std::uint32_t> crc = member_checksum(file, member, options.limits);
    if (!crc) {
      // Whoever reads the member reports it; nobody reads a storage.
      if (options.digest) artifact.add_gap("checksum of " + member.name, crc.error().detail);
      continue;
    }
    if (*crc == member.crc32) continue;
    artifact.add_contradiction(
        member.name, {ErrorCode::kZipChecksum, member.data.offset,
                      fmt::format("the checksum of its {} bytes is {:08x}, recorded is {:08x}",
                                  member.size, *crc, member.crc32)});
  }
}

/// Files of torch since 2.1 carry an id of their contents, which tools that write an archive anew
/// keep. Others are not judged: any tool may have made them.
void check_layout(ByteView file, const ZipDirectory& zip, const Limits& limits,
                  Artifact& artifact) {
  if (zip.prefix.empty() || !find_member(zip, ".data/serialization_id")) return;
  const std::optional<std::uint64_t> alignment = storage_alignment(file, zip, limits);
  if (!alignment) return;
  if (const auto broken = find_layout_break(zip, file.offset(), *alignment)) {
    artifact.add_contradiction(broken->member,
                               {ErrorCode::kZipRepacked, broken->offset, broken->why});
  }
}

}  // namespace

std::optional<std::uint64_t> storage_alignment(ByteView file, const ZipDirectory& zip,
                                               const Limits& limits) {
  constexpr std::uint64_t kDefault = 64;
  const std::optional<MemberId> id = find_member(zip, ".storage_alignment");
  if (!id) return kDefault;
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file, zip.members[*id], limits, buffer);
  if (!bytes) return std::nullopt;
  const std::string_view text = bytes->text();
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

void add_archive_faults(const ZipDirectory& zip, std::string_view prefix, Artifact& artifact) {
  for (const Fault& fault : zip.faults) {
    std::string member = std::string(prefix) + fault.member;
    if (left_nothing_unread(fault.error.code)) {
      artifact.add_contradiction(std::move(member), fault.error);
    } else {
      artifact.add_fault(std::move(member), fault.error);
    }
  }
}

std::optional<ZipDirectory> open_archive(const Source& source, const ReadOptions& options,
                                         Artifact& artifact) {
  const ByteView file = source.bytes();
  Result<ZipDirectory> zip = read_zip_directory(file, options.limits, &source);
  if (!zip) {
    artifact.add_fault("", zip.error());
    return std::nullopt;
  }
  artifact.members = zip->members;
  add_archive_faults(*zip, "", artifact);
  check_layout(file, *zip, options.limits, artifact);
  check_checksums(file, *zip, options, artifact);
  return std::move(*zip);
}

}  // namespace torchvet
