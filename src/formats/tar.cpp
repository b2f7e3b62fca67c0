// A tar archive is a row of members, each a header block of 512 bytes and its data, padded to full
// blocks. Nothing says how many there are: the row ends where no header follows. A header holds a
// checksum of itself, which is what tells one from other bytes.
//
// Python writes its archives in the PAX form: what does not fit into a header (a name of more than
// 100 bytes, a time with a fraction of a second, which all have that it takes from files) stands in
// a member of type 'x' in front of the one that it describes, as lines "LENGTH KEY=VALUE\n". The
// GNU form uses members of type 'L' and 'K' for long names instead. Members of type 'g' describe
// all that follow.
#include "formats/tar.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/checked.h"

namespace torchvet {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kBlock = 512;

/// Where the fields of a header lie.
struct Field {
  std::size_t begin, length;
};
constexpr Field kName = {0, 100}, kSize = {124, 12}, kSum = {148, 8}, kLink = {157, 100},
                kPrefix = {345, 155};
constexpr std::size_t kType = 156;

std::string_view field_of(std::string_view block, Field field) {
  return block.substr(field.begin, field.length);
}

/// Up to the first NUL.
std::string_view text_of(std::string_view block, Field field) {
  const std::string_view all = field_of(block, field);
  return all.substr(0, all.find('\0'));
}

enum class Number : std::uint8_t { kRead, kNone, kOtherSpelling };

/// An octal number with blanks around it; nothing but blanks is 0.
Number number_of(std::string_view block, Field field, std::uint64_t& value) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::string_view all = field_of(block, field);
  const unsigned char lead = static_cast<unsigned char>(all.front());
  if (lead == 0x80 || lead == 0xff) {  // base 256, in which 0xff leads negative numbers
    if (all.size() > sizeof(value)) return Number::kOtherSpelling;
    value = 0;
    for (const char c : all.substr(1)) value = value << 8 | static_cast<unsigned char>(c);
    if (lead == 0xff) value = UINT64_MAX;  // which is no sum of a block
    return Number::kRead;
  }
  if (lead > 0x80) return Number::kNone;
  std::string_view digits = text_of(block, field);
  value = 0;
  const std::size_t first = digits.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return Number::kRead;
  digits = digits.substr(first, digits.find_last_not_of(kBlanks) - first + 1);
  // What Python's int() takes besides digits.
  if (digits.find_first_of("+-_oO") != std::string_view::npos) {
    const bool may_be = digits.find_first_not_of("01234567+-_oO") == std::string_view::npos;
    return may_be ? Number::kOtherSpelling : Number::kNone;
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole ? Number::kRead : Number::kNone;
}

/// The sum of a header's bytes, those of the sum itself taken for blanks. Old programs added the
/// bytes as signed numbers.
bool sum_fits(std::string_view block, std::uint64_t recorded) {
  std::int64_t plain = 0, with_sign = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool in_sum = i >= kSum.begin && i < kSum.begin + kSum.length;
    const char c = in_sum ? ' ' : block[i];
    plain += static_cast<unsigned char>(c);
    with_sign += static_cast<signed char>(c);
  }
  const auto same = [&](std::int64_t sum) {
    return sum >= 0 && static_cast<std::uint64_t>(sum) == recorded;
  };
  return same(plain) || same(with_sign);
}

std::string without_slashes(std::string name) {
  while (name.ends_with('/')) name.pop_back();
  return name;
}

std::optional<std::uint64_t> padded(std::uint64_t size) {
  const auto up = checked_add(size, kBlock - 1);
  return up ? std::optional(*up / kBlock * kBlock) : std::nullopt;
}

}  // namespace

Result<std::optional<TarMember>> TarReader::end_of_headers(const Extra* extra, std::string why) {
  if (position_ > 0 && !extra) return std::optional<TarMember>();
  return fail(ErrorCode::kTarBadHeader, file_.offset() + position_, std::move(why));
}

/// The data of a member that describes another; the position is behind it then.
Result<std::string_view> TarReader::extra_data(std::uint64_t size) {
  const std::uint64_t at = file_.offset() + position_;
  if (size > limits_.string_bytes) {
    return fail(ErrorCode::kLimitExceeded, at,
                "an extra header is larger than string-bytes allows");
  }
  const Result<ByteView> bytes = file_.slice(position_, size);
  if (!bytes) return fail(ErrorCode::kTruncated, at, "the archive ends inside an extra header");
  position_ = std::min(file_.size(), position_ + *padded(size));
  return bytes->text();
}

Result<void> TarReader::read_pax(std::string_view records, Extra& extra) const {
  const std::uint64_t at = file_.offset() + position_;
  while (!records.empty() && records.front() != '\0') {
    std::uint64_t length = 0;
    const auto [end, error] =
        std::from_chars(records.data(), records.data() + records.size(), length);
    const std::size_t digits = static_cast<std::size_t>(end - records.data());
    if (error != std::errc() || length > records.size() || length < digits + 3 ||
        records[digits] != ' ' || records[static_cast<std::size_t>(length) - 1] != '\n') {
      return fail(ErrorCode::kTarBadHeader, at, "an extra header is not made of PAX records");
    }
    const std::string_view record =
        records.substr(digits + 1, static_cast<std::size_t>(length) - digits - 2);
    records.remove_prefix(static_cast<std::size_t>(length));
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) {
      return fail(ErrorCode::kTarBadHeader, at, "a PAX record has no value");
    }
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") extra.name = std::string(value);
    if (key == "linkpath") extra.link = std::string(value);
    if (key.starts_with("GNU.sparse")) {
      return fail(ErrorCode::kFormatUnsupported, at, "a sparse file in a tar archive is not read");
    }
    if (key != "size") continue;
    std::uint64_t size = 0;
    const auto [stop, wrong] = std::from_chars(value.data(), value.data() + value.size(), size);
    if (wrong != std::errc() || stop != value.data() + value.size()) {
      return fail(ErrorCode::kFormatUnsupported, at, "the size in a PAX record is no plain number");
    }
    extra.size = size;
  }
  return {};
}

Result<std::optional<TarMember>> TarReader::next() {
  Extra own, global;
  const Extra* described = nullptr;
  std::optional<std::uint64_t> begin;
  for (;;) {
    const std::uint64_t at = file_.offset() + position_;
    if (file_.size() - position_ < kBlock) {
      if (file_.size() == position_ && !described) return std::optional<TarMember>();
      return end_of_headers(described, "the archive ends inside a header");
    }
    const std::string_view block = file_.text().substr(static_cast<std::size_t>(position_), kBlock);
    if (block.find_first_not_of('\0') == std::string_view::npos) {
      if (!described) return std::optional<TarMember>();
      return end_of_headers(described, "an extra header describes nothing");
    }
    std::uint64_t sum = 0, size = 0;
    const Number read = number_of(block, kSum, sum);
    const Number read_size = number_of(block, kSize, size);
    if (read == Number::kOtherSpelling ||
        (read == Number::kRead && read_size == Number::kOtherSpelling && sum_fits(block, sum))) {
      return fail(ErrorCode::kFormatUnsupported, at,
                  "a number in the header of a member is not in octal digits");
    }
    if (read == Number::kNone || read_size == Number::kNone || !sum_fits(block, sum)) {
      return end_of_headers(described, "the checksum of the header is not that of its bytes");
    }
    begin = begin.value_or(at);
    position_ += kBlock;

    const char type = block[kType];
    if (type == 'x' || type == 'X' || type == 'g' || type == 'L' || type == 'K') {
      const Result<std::string_view> data = extra_data(size);
      if (!data) return tl::unexpected<Error>(data.error());
      const std::string_view line = data->substr(0, data->find('\0'));
      if (type == 'L') {
        own.name = std::string(line);
      } else if (type == 'K') {
        own.link = std::string(line);
      } else if (Result<void> pax = read_pax(*data, type == 'g' ? global : own); !pax) {
        return tl::unexpected<Error>(pax.error());
      }
      if (global.name || global.link || global.size) {
        return fail(ErrorCode::kFormatUnsupported, at,
                    "a header that gives all members one name or size is not read");
      }
      described = &own;
      continue;
    }
    if (type == 'S') {
      return fail(ErrorCode::kFormatUnsupported, at, "a sparse file in a tar archive is not read");
    }

    TarMember member;
    member.header_offset = *begin;
    member.name = text_of(block, kName);
    const std::string_view prefix = text_of(block, kPrefix);
    if (!prefix.empty()) member.name = std::string(prefix) + "/" + member.name;
    member.type = type == '\0' && member.name.ends_with('/') ? '5' : type;
    member.name = without_slashes(own.name.value_or(std::move(member.name)));
    member.link = own.link.value_or(std::string(text_of(block, kLink)));
    member.size = own.size.value_or(size);
    if (member.name.size() > limits_.member_name_bytes) {
      return fail(ErrorCode::kLimitExceeded, at, "a name is longer than member-name-bytes allows");
    }
    if (!member.has_data()) return std::optional(std::move(member));
    const Result<ByteView> bytes = file_.slice(position_, member.size);
    if (!bytes) {
      member.data = *file_.slice(position_, file_.size() - position_);
      position_ = file_.size();
      return std::optional(std::move(member));
    }
    member.data = *bytes;
    const std::uint64_t end = position_ + *padded(member.size);
    member.is_padded = end <= file_.size();
    position_ = std::min(file_.size(), end);
    return std::optional(std::move(member));
  }
}

std::optional<bool> opens_as_tar(ByteView file, const Limits& limits) {
  const Result<std::optional<TarMember>> first = TarReader(file, limits).next();
  if (first) return !file.empty();
  if (first.error().code == ErrorCode::kTarBadHeader) return false;
  return std::nullopt;
}

}  // namespace torchvet
