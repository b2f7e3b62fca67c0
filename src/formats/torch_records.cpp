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

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

/// Nothing when the member cannot be read, which is a fault of the reader that needs it.
std::optional<std::string> record_text(ByteView archive, const Member& member,
                                       const Limits& limits) {
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(archive, member, limits, buffer);
  if (!bytes) return std::nullopt;
  return std::string(bytes->text());
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

/// What is wrong with the number that std::stoull finds in the text; nothing when it is fine.
std::optional<RecordProblem> problem_of_version(std::string_view text, std::uint64_t& version) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error == std::errc::result_out_of_range) return RecordProblem::kVersionOverflow;
  if (error != std::errc()) return RecordProblem::kVersionNoNumber;
  if (negative) return RecordProblem::kVersionOverflow;
  if (version < kOldestArchiveVersion) return RecordProblem::kVersionTooOld;
  if (version > kNewestArchiveVersion) return RecordProblem::kVersionTooNew;
  return std::nullopt;
}

std::string said_of(const RefusedRecord& record, const ZipDirectory& zip) {
  switch (record.problem) {
    case RecordProblem::kOutsideFolder:
      return "the member is not in the folder " + zip.prefix + " of the first one";
    case RecordProblem::kNameNoText:
      return "the name of the member is no UTF-8";
    case RecordProblem::kVersionNoNumber:
    case RecordProblem::kVersionOverflow:
      return fmt::format("the version is \"{}\", no number", record.text.substr(0, 64));
    case RecordProblem::kVersionTooOld:
    case RecordProblem::kVersionTooNew:
      return fmt::format("the version is {}; torch up to 2.13 reads {} to {}", record.version,
                         kOldestArchiveVersion, kNewestArchiveVersion);
    case RecordProblem::kIdNoText:
      return "the id of the contents is no UTF-8";
    case RecordProblem::kAlignmentNoNumber:
      return "the alignment of storages is no number";
  }
  return {};
}

}  // namespace

std::optional<MemberId> version_record(const ZipDirectory& zip) {
  const std::optional<MemberId> hidden = find_member(zip, ".data/version");
  return hidden ? hidden : find_member(zip, "version");
}

std::vector<RefusedRecord> find_refused_records(ByteView archive, const ZipDirectory& zip,
                                                const Limits& limits) {
  std::vector<RefusedRecord> refused;
  const auto look_at = [&](RecordProblem problem, auto&& is_refused) {
    const auto found = std::find_if(zip.members.begin(), zip.members.end(), is_refused);
    if (found == zip.members.end()) return;
    refused.push_back({static_cast<MemberId>(found - zip.members.begin()), problem, {}, 0});
  };
  look_at(RecordProblem::kOutsideFolder,
          [&](const Member& m) { return !m.name.starts_with(zip.prefix); });
  look_at(RecordProblem::kNameNoText, [](const Member& m) { return !is_utf8(m.name); });

  // The text of the record, if there is one that can be read.
  std::string text;
  const auto read = [&](std::optional<MemberId> id) {
    const std::optional<std::string> found =
        id ? record_text(archive, zip.members[*id], limits) : std::nullopt;
    text = found.value_or("");
    return found.has_value();
  };
  if (const auto id = version_record(zip); read(id)) {
    std::uint64_t version = 0;
    if (const auto problem = problem_of_version(text, version)) {
      refused.push_back({*id, *problem, text, version});
    }
  }
  if (const auto id = find_member(zip, ".data/serialization_id"); read(id) && !is_utf8(text)) {
    refused.push_back({*id, RecordProblem::kIdNoText, text, 0});
  }
  if (const auto id = find_member(zip, ".storage_alignment");
      read(id) && !is_python_integer(text)) {
    refused.push_back({*id, RecordProblem::kAlignmentNoNumber, text, 0});
  }
  return refused;
}

std::vector<Fault> refused_records(ByteView archive, const ZipDirectory& zip,
                                   const Limits& limits) {
  std::vector<Fault> faults;
  for (const RefusedRecord& record : find_refused_records(archive, zip, limits)) {
    const Member& member = zip.members[record.member];
    Fault& fault = faults.emplace_back();
    fault.error = {ErrorCode::kArchiveRefused, member.header_offset, said_of(record, zip)};
    fault.member = member.name;
  }
  return faults;
}

void check_records(ByteView archive, const ZipDirectory& zip, const Limits& limits,
                   Artifact& artifact) {
  if (!version_record(zip)) {
    artifact.add_fault("", {ErrorCode::kZipMemberMissing, 0, "the archive has no member version"});
  }
  for (const Fault& fault : refused_records(archive, zip, limits)) {
    artifact.add_contradiction(fault.member, fault.error);
  }
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
