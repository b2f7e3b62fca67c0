// Where the members of an archive lie, beside what its directory says of them.
//
// The layout of torch's writer (2.13, and every file of an older release that was measured):
//
//   header   30 bytes, the name, a zip64 field where a number needs it, and an extra field "FB"
//   that
//            pads, so that the data begin at a multiple of the alignment
//   data
//   descriptor of 16 bytes, or 24 when the size or the place of the header needs 64 bits; none when
//            there are no data
#include "formats/zip_layout.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/checked.h"
#include "formats/zip_names.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kHeaderSize = 30;
constexpr std::uint64_t kFull = 0xFFFFFFFF;

template <typename T>
T number_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// Members that were located, in the order of their headers.
std::vector<MemberId> by_place(const ZipDirectory& zip) {
  std::vector<MemberId> order;
  order.reserve(zip.members.size());
  for (MemberId id = 0; id < zip.members.size(); ++id) {
    if (zip.members[id].data.offset != 0) order.push_back(id);
  }
  std::sort(order.begin(), order.end(), [&](MemberId a, MemberId b) {
    const std::uint64_t x = zip.members[a].header_offset, y = zip.members[b].header_offset;
    return x != y ? x < y : a < b;
  });
  return order;
}

/// True when a record of an archive begins at `from`, or behind a descriptor there. Nothing is read
/// where there is room for no header.
bool holds_record(ByteView file, std::uint64_t from, std::uint64_t to,
                  std::span<const std::string_view> magics) {
  constexpr std::array<std::size_t, 5> kDescriptors = {0, 12, 16, 20, 24};
  if (to - from < kHeaderSize) return false;
  const std::string_view text = file.text().substr(from - file.offset(), kHeaderSize);
  return std::any_of(magics.begin(), magics.end(), [&](std::string_view magic) {
    return std::any_of(kDescriptors.begin(), kDescriptors.end(),
                       [&](std::size_t skip) { return text.substr(skip).starts_with(magic); });
  });
}

std::uint64_t end_of(const Member& member) { return member.data.offset + member.data.length; }

}  // namespace

std::string local_difference(std::span<const std::uint8_t> header, const Member& member,
                             std::uint64_t compressed) {
  const std::size_t name_size = number_at<std::uint16_t>(header, 26);
  const std::string_view name(reinterpret_cast<const char*>(header.data()) + kHeaderSize,
                              header.size() - kHeaderSize);
  if (name_size != member.name.size() || name != member.name) {
    return "its local header has another name: " + std::string(name.substr(0, name_size)) +
           (name_size > name.size() ? "..." : "");
  }
  const auto differs = [&](std::size_t at, std::uint64_t value) {
    const std::uint32_t local = number_at<std::uint32_t>(header, at);
    return local != 0 && local != kFull && local != value;
  };
  if (number_at<std::uint16_t>(header, 8) != member.method) {
    return "its local header names another method of compression";
  }
  if (differs(14, member.crc32)) return "its local header names another checksum";
  if (differs(18, compressed) || differs(22, member.size)) {
    return "its local header names another size";
  }
  return {};
}

void judge_layout(ByteView file, ZipDirectory& zip) {
  constexpr std::array<std::string_view, 1> kHidden = {"PK\3\4"};
  constexpr std::array<std::string_view, 4> kBeforeDirectory = {"PK\3\4", "PK\1\2", "PK\5\6",
                                                                "PK\6\6"};
  const std::vector<MemberId> order = by_place(zip);
  const bool all_located = order.size() == zip.members.size();
  std::uint64_t end = file.offset();
  for (const MemberId id : order) {
    const Member& member = zip.members[id];
    const std::uint64_t begin = member.header_offset;
    if (begin < end) {
      report_member(zip.faults, ErrorCode::kZipMembersOverlap, begin, member.name,
                    "shares bytes with the member before it");
    } else if (all_located && holds_record(file, end, begin, kHidden)) {
      report_member(zip.faults, ErrorCode::kZipStrayBytes, end, "",
                    "the bytes in front of `" + member.name +
                        "` hold a member that the directory does not name");
    }
    end = std::max(end, end_of(member));
  }
  if (all_located && end < zip.directory.offset &&
      holds_record(file, end, zip.directory.offset, kBeforeDirectory)) {
    report_member(
        zip.faults, ErrorCode::kZipStrayBytes, end, "",
        "the bytes in front of the directory hold records of another archive, or a member "
        "that the directory does not name");
  }
}

std::optional<std::uint64_t> torch_data_offset(std::uint64_t header, std::uint64_t name_size,
                                               std::uint64_t size, std::uint64_t alignment) {
  const std::uint64_t wide = (size >= kFull || header >= kFull ? 4 : 0) + (size >= kFull ? 16 : 0) +
                             (header >= kFull ? 8 : 0);
  const auto least = checked_add(header, kHeaderSize + name_size + wide + 4);
  const auto padded = least ? checked_add(*least, alignment - 1) : std::nullopt;
  if (!padded) return std::nullopt;
  return *padded - *padded % alignment;
}

std::optional<std::uint64_t> torch_next_header(std::uint64_t header, std::uint64_t data,
                                               std::uint64_t size) {
  const std::uint64_t descriptor = size == 0 ? 0 : size >= kFull || header >= kFull ? 24 : 16;
  const auto end = checked_add(data, size);
  return end ? checked_add(*end, descriptor) : std::nullopt;
}

std::optional<LayoutBreak> find_layout_break(const ZipDirectory& zip, std::uint64_t begin,
                                             std::uint64_t alignment) {
  const std::vector<MemberId> order = by_place(zip);
  if (order.size() != zip.members.size()) return std::nullopt;
  std::optional<std::uint64_t> header = begin;
  for (const MemberId id : order) {
    const Member& member = zip.members[id];
    if (header != member.header_offset) {
      return LayoutBreak{member.header_offset, member.name,
                         "its header is not where the member before it ends"};
    }
    const auto data = torch_data_offset(*header, member.name.size(), member.data.length, alignment);
    if (data != member.data.offset) {
      return LayoutBreak{member.data.offset, member.name,
                         "its data begin at byte " + std::to_string(member.data.offset) +
                             ", torch would have put them at byte " +
                             (data ? std::to_string(*data) : "2^64")};
    }
    header = torch_next_header(*header, *data, member.data.length);
  }
  if (header == zip.directory.offset) return std::nullopt;
  return LayoutBreak{zip.directory.offset, "", "the directory is not where the last member ends"};
}

}  // namespace torchvet
