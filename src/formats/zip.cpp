// Zip archives, as far as torch uses them.
//
//   local header, data, [descriptor]   one after the other, 30 bytes + name + extra field + data
//   ...
//   central directory                  one entry a member: name, sizes, offset of the local header
//   zip64 end record, zip64 locator    always written by torch, needed above 4 GiB
//   end record                         "PK\5\6": where the central directory is
//
// torch's writer leaves crc and sizes in the local headers 0 and puts them into descriptors behind
// the data, so only the central directory is believed, and a local header only tells where the data
// begin: behind its name and its extra field, which torch pads so that data are aligned to 64
// bytes.
//
// An archive of 1 GB may have thousands of members. Each local header is on a page of its own, and
// looking at it through the mapping costs a page fault that maps 16 pages. They are copied out with
// a small read instead.

#include "formats/zip.h"

#include <libdeflate.h>

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "core/inflate.h"
#include "formats/zip_layout.h"
#include "formats/zip_names.h"
#include "io/source.h"

namespace torchvet {
namespace {

constexpr std::string_view kLocalMagic("PK\3\4", 4);
constexpr std::string_view kEntryMagic("PK\1\2", 4);
constexpr std::string_view kEndMagic("PK\5\6", 4);
constexpr std::string_view kLocatorMagic("PK\6\7", 4);
constexpr std::string_view kEnd64Magic("PK\6\6", 4);
constexpr std::uint64_t kLocalSize = 30;
constexpr std::uint64_t kEntrySize = 46;
constexpr std::uint64_t kEndSize = 22;
constexpr std::uint64_t kLocatorSize = 20;
constexpr std::uint64_t kEnd64Size = 56;
constexpr std::uint64_t kMaxComment = 65535;
constexpr std::uint16_t kZip64Extra = 1;
/// Encrypted (three ways) or a compressed patch: what torch's reader refuses.
constexpr std::uint16_t kFlagsRefused = 1 | 1 << 6 | 1 << 13 | 1 << 5;
constexpr std::uint32_t kAttributeFolder = 0x10;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;

/// A little-endian number at a place whose bytes are known to be there.
template <typename T>
T number_at(const std::uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// An archive in one piece numbers its only disk 0, or everywhere 1.
bool is_one_disk(std::uint64_t this_disk, std::uint64_t directory_disk, std::uint64_t entries_here,
                 std::uint64_t entries) {
  return this_disk == directory_disk && this_disk <= 1 && entries_here == entries;
}

struct EndRecord {
  std::uint64_t position = 0;  // where the central directory must have ended
  std::uint64_t tail = 0;      // of the plain end record
  std::uint64_t comment = 0;   // bytes behind that which belong to it
  std::uint64_t entries = 0;
  std::uint64_t directory_size = 0;
  std::uint64_t directory_offset = 0;
};

/// Lets the zip64 record, when there is one, replace what the plain end record says.
Result<EndRecord> widen(ByteView file, EndRecord end) {
  const bool saturated = end.entries == 0xFFFF || end.directory_size == 0xFFFFFFFF ||
                         end.directory_offset == 0xFFFFFFFF;
  const auto unusable = [&](std::string why) -> Result<EndRecord> {
    if (!saturated) return end;
    return fail(ErrorCode::kZipBadCentralDirectory, file.offset() + end.position, std::move(why));
  };
  if (end.position < kLocatorSize) return unusable("the zip64 locator is missing");
  const std::uint8_t* locator = file.data() + end.position - kLocatorSize;
  if (number_at<std::uint32_t>(locator) !=
      number_at<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(kLocatorMagic.data()))) {
    return unusable("the zip64 locator is missing");
  }
  const std::uint64_t record = number_at<std::uint64_t>(locator + 8);
  const Result<ByteView> bytes = file.slice(record, kEnd64Size);
  if (!bytes || !bytes->starts_with(kEnd64Magic)) {
    return unusable("the zip64 locator points to no zip64 end record");
  }
  if (number_at<std::uint32_t>(locator + 4) > 1 || number_at<std::uint32_t>(locator + 16) != 1 ||
      !is_one_disk(number_at<std::uint32_t>(bytes->data() + 16),
                   number_at<std::uint32_t>(bytes->data() + 20),
                   number_at<std::uint64_t>(bytes->data() + 24),
                   number_at<std::uint64_t>(bytes->data() + 32))) {
    return fail(ErrorCode::kZipBadCentralDirectory, file.offset() + record,
                "the archive claims to be one part of several");
  }
  EndRecord wide = end;
  wide.position = record;
  wide.entries = number_at<std::uint64_t>(bytes->data() + 32);
  wide.directory_size = number_at<std::uint64_t>(bytes->data() + 40);
  wide.directory_offset = number_at<std::uint64_t>(bytes->data() + 48);
  if ((end.entries != 0xFFFF && end.entries != wide.entries) ||
      (end.directory_size != 0xFFFFFFFF && end.directory_size != wide.directory_size) ||
      (end.directory_offset != 0xFFFFFFFF && end.directory_offset != wide.directory_offset)) {
    return fail(ErrorCode::kZipBadCentralDirectory, file.offset() + record,
                "the end record and the zip64 end record disagree");
  }
  return wide;
}

Result<EndRecord> find_end_record(ByteView file) {
  const std::uint64_t window = std::min(file.size(), kEndSize + kMaxComment);
  const std::string_view tail = file.text().substr(file.size() - window);
  std::size_t at = tail.size() < kEndSize ? std::string_view::npos
                                          : tail.rfind(kEndMagic, tail.size() - kEndSize);
  if (at == std::string_view::npos) {
    return fail(ErrorCode::kZipNoCentralDirectory, file.offset() + file.size(),
                "the archive has no central directory at its end");
  }
  const std::uint64_t position = file.size() - window + at;
  const std::uint8_t* record = file.data() + position;
  if (!is_one_disk(number_at<std::uint16_t>(record + 4), number_at<std::uint16_t>(record + 6),
                   number_at<std::uint16_t>(record + 8), number_at<std::uint16_t>(record + 10))) {
    return fail(ErrorCode::kZipBadCentralDirectory, file.offset() + position,
                "the archive claims to be one part of several");
  }
  EndRecord end;
  end.position = end.tail = position;
  end.comment = number_at<std::uint16_t>(record + 20);
  end.entries = number_at<std::uint16_t>(record + 10);
  end.directory_size = number_at<std::uint32_t>(record + 12);
  end.directory_offset = number_at<std::uint32_t>(record + 16);
  return widen(file, end);
}

/// Bytes around the records at the end of the archive that make readers differ. Python's zipfile
/// takes the bytes directly before these records for the directory, wherever they say that it is.
void judge_end(ByteView file, const EndRecord& end, std::uint64_t directory_end,
               std::vector<Fault>& faults) {
  const auto reject = [&](ErrorCode code, std::uint64_t at, std::string why) {
    report_member(faults, code, file.offset() + at, "", std::move(why));
  };
  if (directory_end != end.position) {
    reject(ErrorCode::kZipTwoDirectories, directory_end,
           std::to_string(end.position - directory_end) +
               " bytes lie between the directory and the record that ends it: a reader that counts "
               "back from the record takes other bytes for the directory");
  } else if (end.position != end.tail && end.position + kEnd64Size + kLocatorSize != end.tail) {
    reject(ErrorCode::kZipTwoDirectories, end.position,
           "the zip64 end record does not lie directly before its locator, where some readers look "
           "for it");
  }
  const std::uint64_t after = file.size() - end.tail - kEndSize;
  if (after > end.comment) {
    reject(ErrorCode::kZipStrayBytes, end.tail + kEndSize + end.comment,
           std::to_string(after - end.comment) + " bytes follow the end of the archive");
  }
}

/// One entry of the central directory; `compressed` is the size of its data in the file.
struct Entry {
  Member member;
  std::uint64_t compressed = 0;
  std::uint32_t attributes = 0;
  std::uint16_t disk = 0;
};

/// The zip64 field of an entry holds, in this order, those of size, compressed size and header
/// offset whose 32-bit place in the entry is 0xFFFFFFFF, and only those.
Result<void> read_zip64_extra(ByteView extra, Entry& entry) {
  std::uint64_t* wide[] = {&entry.member.size, &entry.compressed, &entry.member.header_offset};
  const bool needed = std::any_of(std::begin(wide), std::end(wide),
                                  [](const std::uint64_t* value) { return *value == 0xFFFFFFFF; });
  if (!needed) return {};
  Cursor cursor(extra);
  while (cursor.remaining() >= 4) {
    const std::uint16_t id = cursor.read<std::uint16_t>().value();
    const std::uint16_t length = cursor.read<std::uint16_t>().value();
    const Result<ByteView> field = cursor.take(length);
    if (!field) break;
    if (id != kZip64Extra) continue;
    Cursor values(*field);
    for (std::uint64_t* value : wide) {
      if (*value != 0xFFFFFFFF) continue;
      const Result<std::uint64_t> number = values.read<std::uint64_t>();
      if (!number) break;
      *value = *number;
    }
    return {};
  }
  return fail(ErrorCode::kZipBadCentralDirectory, extra.offset(),
              "an entry has no room for its size above 4 GiB");
}

Result<Entry> read_entry(Cursor& cursor, std::uint64_t file_offset, const Limits& limits) {
  const std::uint64_t at = cursor.offset();
  const Result<ByteView> fixed = cursor.take(kEntrySize);
  if (!fixed || !fixed->starts_with(kEntryMagic)) {
    return fail(ErrorCode::kZipBadCentralDirectory, at, "no entry of the central directory here");
  }
  const std::uint8_t* bytes = fixed->data();
  const std::uint16_t name_size = number_at<std::uint16_t>(bytes + 28);
  const std::uint16_t extra_size = number_at<std::uint16_t>(bytes + 30);
  const std::uint16_t comment_size = number_at<std::uint16_t>(bytes + 32);
  if (name_size > limits.member_name_bytes) {
    return fail(ErrorCode::kLimitExceeded, at,
                "a member name of " + std::to_string(name_size) + " bytes");
  }
  const Result<ByteView> name = cursor.take(name_size);
  const Result<ByteView> extra = cursor.take(extra_size);
  if (!name || !extra || !cursor.take(comment_size)) {
    return fail(ErrorCode::kZipBadCentralDirectory, at,
                "an entry of the central directory is cut off");
  }
  Entry entry;
  entry.member.name = name->text();
  entry.member.flags = number_at<std::uint16_t>(bytes + 8);
  entry.member.method = number_at<std::uint16_t>(bytes + 10);
  entry.member.crc32 = number_at<std::uint32_t>(bytes + 16);
  entry.disk = number_at<std::uint16_t>(bytes + 34);
  entry.attributes = number_at<std::uint32_t>(bytes + 38);
  entry.compressed = number_at<std::uint32_t>(bytes + 20);
  entry.member.size = number_at<std::uint32_t>(bytes + 24);
  entry.member.header_offset = number_at<std::uint32_t>(bytes + 42);
  const Result<void> widened = read_zip64_extra(*extra, entry);
  if (!widened) return tl::unexpected<Error>(widened.error());
  const std::optional<std::uint64_t> header = checked_add(file_offset, entry.member.header_offset);
  if (!header) {
    return fail(ErrorCode::kOverflow, at, "the place of a member does not fit into 64 bits");
  }
  entry.member.header_offset = *header;
  entry.member.data.length = entry.compressed;
  return entry;
}

/// What torch's reader refuses about an entry, or reads as something else than its data.
void judge_entry(const Entry& entry, std::vector<Fault>& faults) {
  const auto reject = [&](std::string why) {
    report_member(faults, ErrorCode::kZipBadCentralDirectory, entry.member.header_offset,
                  entry.member.name, std::move(why));
  };
  if ((entry.attributes & kAttributeFolder) && entry.compressed != 0) {
    // torch takes it for a folder, reads nothing, and hands out memory that nobody has written.
    reject("is marked as a folder but has data, which torch does not read");
  }
  if (entry.member.method == kStored && entry.member.size != entry.compressed) {
    reject("is stored, but its two sizes differ");
  }
  if (entry.disk > 1) reject("is said to be in another part of the archive");
}

/// Fills `data.offset` from the local header, or leaves a fault and an empty range.
/// `header` is a buffer.
void locate(ByteView file, const Source* source, const ByteRange& directory, Member& member,
            std::vector<std::uint8_t>& header, std::vector<Fault>& faults) {
  const std::uint64_t length = std::exchange(member.data.length, 0);
  const auto reject = [&](ErrorCode code, std::string why) {
    report_member(faults, code, member.header_offset, member.name, std::move(why));
  };
  // Data of an archive lie in front of its directory.
  const std::uint64_t end = directory.offset;
  const std::optional<std::uint64_t> header_end = checked_add(member.header_offset, kLocalSize);
  if (!header_end || *header_end > end) {
    return reject(ErrorCode::kZipMemberOutside, "its header lies behind the end of the data");
  }
  // The header and, as far as there is room, a name as long as the directory's.
  header.resize(kLocalSize + std::min<std::uint64_t>(member.name.size(), end - *header_end));
  if (source) {
    if (!source->read_at(member.header_offset, header)) {
      return reject(ErrorCode::kZipBadLocalHeader, "its header cannot be read");
    }
  } else {
    std::memcpy(header.data(), file.data() + (member.header_offset - file.offset()), header.size());
  }
  if (std::memcmp(header.data(), kLocalMagic.data(), kLocalMagic.size()) != 0) {
    return reject(ErrorCode::kZipBadLocalHeader, "there is no local header where it should be");
  }
  // Both lengths are 16 bits wide: this sum cannot overflow.
  const std::uint64_t begin = *header_end + number_at<std::uint16_t>(header.data() + 26) +
                              number_at<std::uint16_t>(header.data() + 28);
  if (begin > end || length > end - begin) {
    return reject(ErrorCode::kZipMemberOutside, "needs " + std::to_string(length) + " bytes, " +
                                                    std::to_string(begin > end ? 0 : end - begin) +
                                                    " are left");
  }
  member.data = {begin, length};
  const std::string difference = local_difference(header, member, length);
  if (!difference.empty()) reject(ErrorCode::kZipLocalDisagrees, difference);
  if (member.flags & kFlagsRefused) reject(ErrorCode::kZipEncrypted, "is encrypted or a patch");
}

Result<ByteView> located_bytes(ByteView file, const Member& member) {
  if (member.flags & kFlagsRefused) {
    return fail(ErrorCode::kZipEncrypted, member.data.offset, member.name + " is encrypted");
  }
  if (member.data.offset == 0 || member.data.offset < file.offset()) {
    return fail(ErrorCode::kZipMemberOutside, member.header_offset,
                member.name + " could not be located");
  }
  return file.slice(member.data.offset - file.offset(), member.data.length);
}

}  // namespace

Result<ZipDirectory> read_central_directory(ByteView file, const Limits& limits) {
  const Result<EndRecord> end = find_end_record(file);
  if (!end) return tl::unexpected<Error>(end.error());
  const std::optional<std::uint64_t> directory_end =
      checked_add(end->directory_offset, end->directory_size);
  if (!directory_end) {
    return fail(ErrorCode::kOverflow, file.offset() + end->position,
                "the place of the central directory does not fit into 64 bits");
  }
  if (*directory_end > end->position) {
    return fail(ErrorCode::kZipBadCentralDirectory, file.offset() + end->position,
                "the central directory reaches past the record that ends it");
  }
  if (end->entries > limits.zip_members) {
    return fail(ErrorCode::kLimitExceeded, file.offset() + end->position,
                std::to_string(end->entries) + " members");
  }
  if (end->entries > end->directory_size / kEntrySize) {
    return fail(
        ErrorCode::kZipBadCentralDirectory, file.offset() + end->position,
        "the central directory is too small for " + std::to_string(end->entries) + " members");
  }

  const Result<ByteView> bytes = file.slice(end->directory_offset, end->directory_size);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  ZipDirectory zip;
  zip.directory = bytes->range();
  judge_end(file, *end, *directory_end, zip.faults);
  zip.members.reserve(static_cast<std::size_t>(end->entries));
  Cursor cursor(*bytes);
  for (std::uint64_t i = 0; i < end->entries; ++i) {
    Result<Entry> entry = read_entry(cursor, file.offset(), limits);
    if (!entry) return tl::unexpected<Error>(entry.error());
    judge_entry(*entry, zip.faults);
    zip.members.push_back(std::move(entry->member));
  }
  const Result<ByteView> rest = cursor.take(std::min<std::uint64_t>(cursor.remaining(), 4));
  if (rest && rest->starts_with(kEntryMagic)) {
    return fail(ErrorCode::kZipBadCentralDirectory, rest->offset(),
                "the central directory holds more members than its record counts");
  }
  if (!zip.members.empty()) {
    const std::string& first = zip.members.front().name;
    const std::size_t slash = first.find('/');
    if (slash != std::string::npos) zip.prefix = first.substr(0, slash + 1);
  }
  index_names(zip);
  return zip;
}

Result<ZipDirectory> read_zip_directory(ByteView file, const Limits& limits, const Source* source) {
  Result<ZipDirectory> zip = read_central_directory(file, limits);
  if (!zip) return zip;
  if (source) {
    for (const Member& member : zip->members) {
      source->will_read({member.header_offset, kLocalSize + member.name.size()});
    }
  }
  std::vector<std::uint8_t> header;
  for (Member& member : zip->members) {
    locate(file, source, zip->directory, member, header, zip->faults);
  }
  judge_layout(file, *zip);
  return zip;
}

Result<ByteView> stored_bytes(ByteView file, const Member& member) {
  if (member.method != kStored) {
    return fail(ErrorCode::kZipUnsupportedMethod, member.header_offset,
                member.name + " is not stored but compressed (method " +
                    std::to_string(member.method) + ")");
  }
  const Result<ByteView> bytes = located_bytes(file, member);
  if (bytes && bytes->size() != member.size) {
    return fail(ErrorCode::kZipBadCentralDirectory, member.header_offset,
                member.name + " is stored, but its two sizes differ");
  }
  return bytes;
}

Result<ByteView> member_bytes(ByteView file, const Member& member, const Limits& limits,
                              std::string& buffer) {
  if (member.method != kDeflated) return stored_bytes(file, member);
  const Result<ByteView> bytes = located_bytes(file, member);
  if (!bytes) return bytes;
  Result<ByteView> inflated = inflate_whole(*bytes, member.size, limits, buffer);
  if (!inflated) inflated.error().detail = member.name + ": " + inflated.error().detail;
  return inflated;
}

Result<std::uint32_t> member_checksum(ByteView file, const Member& member, const Limits& limits) {
  const Result<ByteView> bytes =
      member.method == kDeflated ? located_bytes(file, member) : stored_bytes(file, member);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  std::uint32_t crc = 0;
  const auto add = [&](ByteView part) { crc = libdeflate_crc32(crc, part.data(), part.size()); };
  if (member.method != kDeflated) {
    add(*bytes);
    return crc;
  }
  Result<void> sound = check_inflated_size(*bytes, member.size, limits);
  if (!sound) return tl::unexpected<Error>(std::move(sound.error()));
  InflateStream stream(*bytes, member.size);
  Result<ByteView> part = stream.next();
  for (; part && !part->empty(); part = stream.next()) add(*part);
  sound = stream.finish();
  if (!sound) return tl::unexpected<Error>(std::move(sound.error()));
  return crc;
}

}  // namespace torchvet
