// PyTorchStreamReader, which all of torch's loaders open an archive with, reads the version when it
// opens (`.data/version`, or `version` before 2.1), as std::stoull does: whatever follows the
// digits is passed over. torch 1.0 to 2.13 know the versions 1 to 10. Python's loaders then ask it
// for the names of all members, which must lie in the folder of the first one, case and all, and be
// UTF-8, and torch.load for `.data/serialization_id`, as text.
#include "formats/torch_records.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace torchvet {
namespace {

constexpr std::uint64_t kOldestVersion = 1, kNewestVersion = 10;

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

/// Nothing when the member cannot be read, which is a fault of the reader that needs it.
std::optional<std::string> record_text(ByteView archive, const Member& member,
                                       const Limits& limits) {
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(archive, member, limits, buffer);
  if (!bytes) return std::nullopt;
  return std::string(bytes->text());
}

/// The number that std::stoull finds.
std::optional<std::uint64_t> leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

/// Python's `int` of bytes: spaces around it, a sign, digits that single underscores may part.
bool is_python_integer(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\v\f\r";
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return false;
  text = text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  bool after_digit = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c == '_' && after_digit)) return false;
    after_digit = digit;
  }
  return after_digit;
}

std::string version_problem(const std::string& text) {
  const std::optional<std::uint64_t> version = leading_number(text);
  if (!version) return fmt::format("the version is \"{}\", no number", text.substr(0, 64));
  if (*version >= kOldestVersion && *version <= kNewestVersion) return {};
  return fmt::format("the version is {}; torch up to 2.13 reads {} to {}", *version, kOldestVersion,
                     kNewestVersion);
}

}  // namespace

std::vector<Fault> refused_records(ByteView archive, const ZipDirectory& zip,
                                   const Limits& limits) {
  std::vector<Fault> faults;
  const auto refuse = [&](const Member& member, std::string why) {
    Fault& fault = faults.emplace_back();
    fault.member = member.name;
    fault.error = {ErrorCode::kArchiveRefused, member.header_offset, std::move(why)};
  };
  const auto outside = std::find_if(zip.members.begin(), zip.members.end(), [&](const Member& m) {
    return !m.name.starts_with(zip.prefix);
  });
  if (outside != zip.members.end()) {
    refuse(*outside, "the member is not in the folder " + zip.prefix + " of the first one");
  }
  const auto no_text = std::find_if(zip.members.begin(), zip.members.end(),
                                    [](const Member& m) { return !is_utf8(m.name); });
  if (no_text != zip.members.end()) refuse(*no_text, "the name of the member is no UTF-8");

  auto version = find_member(zip, ".data/version");
  if (!version) version = find_member(zip, "version");
  if (version) {
    const Member& member = zip.members[*version];
    const std::optional<std::string> text = record_text(archive, member, limits);
    std::string problem = text ? version_problem(*text) : "";
    if (!problem.empty()) refuse(member, std::move(problem));
  }
  if (const auto id = find_member(zip, ".data/serialization_id")) {
    const Member& member = zip.members[*id];
    const std::optional<std::string> text = record_text(archive, member, limits);
    if (text && !is_utf8(*text)) refuse(member, "the id of the contents is no UTF-8");
  }
  if (const auto id = find_member(zip, ".storage_alignment")) {
    const Member& member = zip.members[*id];
    const std::optional<std::string> text = record_text(archive, member, limits);
    if (text && !is_python_integer(*text)) refuse(member, "the alignment of storages is no number");
  }
  return faults;
}

Result<bool> is_big_endian(ByteView archive, const ZipDirectory& zip, const Limits& limits) {
  const std::optional<MemberId> id = find_member(zip, "byteorder");
  if (!id) return false;
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(archive, zip.members[*id], limits, buffer);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  const std::string_view order = bytes->text();
  if (order == "little" || order == "big") return order == "big";
  return fail(ErrorCode::kByteOrderUnknown, zip.members[*id].data.offset,
              fmt::format("the byte order is \"{}\", neither little nor big", order.substr(0, 64)));
}

std::vector<Fault> refused_unless(ByteView archive, const ZipDirectory& zip, const Limits& limits,
                                  std::string_view name, std::string_view wanted) {
  const std::optional<MemberId> id = find_member(zip, name);
  const std::optional<std::string> text =
      id ? record_text(archive, zip.members[*id], limits) : std::nullopt;
  if (!text || *text == wanted) return {};
  const Member& member = zip.members[*id];
  Fault fault;
  fault.member = member.name;
  fault.error = {ErrorCode::kArchiveRefused, member.header_offset,
                 fmt::format("the record holds \"{}\", not \"{}\"", text->substr(0, 64), wanted)};
  return {fault};
}

}  // namespace torchvet
