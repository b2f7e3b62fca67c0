// torch's reader compares the names of members without regard to ASCII case, and looks them up in a
// sorted directory by halves: of two equal names which one it finds depends on how many there are.
#include "formats/zip_names.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace torchvet {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// FNV-1a over pieces, in lower case.
std::uint64_t name_hash(std::string_view first, std::string_view second = {}) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const std::string_view piece : {first, second}) {
    for (const char c : piece) {
      hash = (hash ^ static_cast<std::uint8_t>(lower(c))) * 0x100000001b3u;
    }
  }
  return hash;
}

int compare_folded(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    const char x = lower(a[i]), y = lower(b[i]);
    if (x != y) return static_cast<unsigned char>(x) < static_cast<unsigned char>(y) ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
}

}  // namespace

void report_member(std::vector<Fault>& faults, ErrorCode code, std::uint64_t offset,
                   const std::string& member, std::string why) {
  constexpr std::size_t kMost = 1000;
  if (faults.size() > kMost) return;
  if (faults.size() == kMost) why = "and further faults of members are not listed";
  Fault& fault = faults.emplace_back();
  fault.error = Error{code, offset, std::move(why)};
  fault.member = member;
}

/// Sorts the names for look-ups and reports those that stand for more than one member. Names are
/// compared in the sort too, so that made-up hash collisions cannot make it quadratic.
void index_names(ZipDirectory& zip) {
  zip.by_name.reserve(zip.members.size());
  for (MemberId id = 0; id < zip.members.size(); ++id) {
    zip.by_name.push_back({name_hash(zip.members[id].name), id});
  }
  using NameEntry = ZipDirectory::NameEntry;
  std::sort(zip.by_name.begin(), zip.by_name.end(), [&](const NameEntry& a, const NameEntry& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    const int order = compare_folded(zip.members[a.member].name, zip.members[b.member].name);
    return order != 0 ? order < 0 : a.member < b.member;
  });
  for (std::size_t i = 1; i < zip.by_name.size(); ++i) {
    const NameEntry &first = zip.by_name[i - 1], &second = zip.by_name[i];
    if (first.hash != second.hash) continue;
    const Member &a = zip.members[first.member], &b = zip.members[second.member];
    if (compare_folded(a.name, b.name) != 0) continue;
    if (a.name == b.name) {
      report_member(zip.faults, ErrorCode::kZipDuplicateName, b.header_offset, b.name,
                    "the name stands for two members");
    } else {
      report_member(zip.faults, ErrorCode::kZipCaseDuplicate, b.header_offset, b.name,
                    "the name differs from `" + a.name + "` only in case, which torch ignores");
    }
  }
}

std::optional<MemberId> find_member(const ZipDirectory& zip, std::string_view name) {
  const std::uint64_t hash = name_hash(zip.prefix, name);
  const std::size_t size = zip.prefix.size() + name.size();
  auto entry = std::lower_bound(
      zip.by_name.begin(), zip.by_name.end(), hash,
      [](const ZipDirectory::NameEntry& a, std::uint64_t value) { return a.hash < value; });
  std::optional<MemberId> folded;
  for (; entry != zip.by_name.end() && entry->hash == hash; ++entry) {
    const std::string_view candidate = zip.members[entry->member].name;
    if (candidate.size() != size ||
        compare_folded(candidate.substr(0, zip.prefix.size()), zip.prefix) != 0 ||
        compare_folded(candidate.substr(zip.prefix.size()), name) != 0) {
      continue;
    }
    if (candidate.starts_with(zip.prefix) && candidate.substr(zip.prefix.size()) == name) {
      return entry->member;
    }
    if (!folded) folded = entry->member;
  }
  return folded;
}

}  // namespace torchvet
