#include "formats/zip.h"
#include "unit/catch.h"
#include "unit/zip_builder.h"

using namespace torchvet;

namespace {

ByteView view_of(const std::string& bytes, std::uint64_t offset = 0) {
  return ByteView(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), offset);
}

ZipBuilder torch_like() {
  ZipBuilder zip;
  zip.add("archive/data.pkl", "pickle").add("archive/data/0", "0123").add("archive/version", "3\n");
  return zip;
}

/// The directory of an archive that must be readable.
ZipDirectory read(const std::string& bytes, const Limits& limits = {}) {
  Result<ZipDirectory> zip = read_zip_directory(view_of(bytes), limits);
  INFO((zip ? "" : zip.error().detail));
  REQUIRE(zip);
  return std::move(*zip);
}

ErrorCode error_of(const std::string& bytes, const Limits& limits = {}) {
  const Result<ZipDirectory> zip = read_zip_directory(view_of(bytes), limits);
  REQUIRE_FALSE(zip);
  return zip.error().code;
}

/// The one fault that a readable archive must have.
Fault fault_of(const std::string& bytes) {
  const ZipDirectory zip = read(bytes);
  REQUIRE(zip.faults.size() == 1);
  return zip.faults.front();
}

/// "hello hello hello hello" compressed by zlib, without its header.
const std::string kDeflated("\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01", 10);
const std::string kInflated = "hello hello hello hello";

}  // namespace

TEST_CASE("members are located behind their local headers, in directory order") {
  ZipBuilder builder = torch_like();
  builder.items[1].local_extra = "FB" + std::string("\5\0ZZZZZ", 7);
  const std::string bytes = builder.build();
  const ZipDirectory zip = read(bytes);
  CHECK(zip.prefix == "archive/");
  CHECK(zip.faults.empty());
  REQUIRE(zip.members.size() == 3);
  CHECK(zip.members[1].name == "archive/data/0");
  CHECK(zip.members[1].size == 4);
  CHECK(stored_bytes(view_of(bytes), zip.members[1])->text() == "0123");
  CHECK(bytes.substr(zip.members[1].data.offset, 4) == "0123");
}

TEST_CASE("offsets are absolute when the archive is a slice of a larger file") {
  const std::string bytes = torch_like().build();
  const ByteView file = view_of(bytes, 1000);
  const Result<ZipDirectory> zip = read_zip_directory(file, {});
  REQUIRE(zip);
  CHECK(zip->faults.empty());
  CHECK(zip->members[0].header_offset == 1000);
  CHECK(zip->members[0].data.offset == 1000 + 30 + std::string("archive/data.pkl").size());
  CHECK(stored_bytes(file, zip->members[1])->text() == "0123");
}

TEST_CASE("the directory alone leaves members unlocated") {
  const std::string bytes = torch_like().build();
  const Result<ZipDirectory> zip = read_central_directory(view_of(bytes), {});
  REQUIRE(zip);
  CHECK(zip->members.size() == 3);
  const Result<ByteView> data = stored_bytes(view_of(bytes), zip->members[0]);
  REQUIRE_FALSE(data);
  CHECK(data.error().code == ErrorCode::kZipMemberOutside);
}

TEST_CASE("names are found as torch finds them: case ignored, the exact one preferred") {
  ZipBuilder builder;
  builder.add("Archive/DATA.PKL", "a").add("Archive/data.pkl", "b").add("Archive/VERSION", "c");
  const ZipDirectory zip = read(builder.build());
  CHECK(find_member(zip, "data.pkl") == MemberId{1});
  CHECK(find_member(zip, "DATA.PKL") == MemberId{0});
  CHECK(find_member(zip, "Data.pkl") == MemberId{0});
  CHECK(find_member(zip, "version") == MemberId{2});
  CHECK_FALSE(find_member(zip, "data.pk"));
  CHECK_FALSE(find_member(zip, "constants.pkl"));
}

TEST_CASE("kZipDuplicateName, kZipCaseDuplicate: both members stay, in order") {
  ZipBuilder builder = torch_like();
  builder.add("archive/data/0", "4567");
  const std::string bytes = builder.build();
  CHECK(fault_of(bytes).error.code == ErrorCode::kZipDuplicateName);
  const ZipDirectory zip = read(bytes);
  CHECK(zip.members.size() == 4);
  CHECK(find_member(zip, "data/0") == MemberId{1});

  builder.last().name = "archive/Data/0";
  const Fault fault = fault_of(builder.build());
  CHECK(fault.error.code == ErrorCode::kZipCaseDuplicate);
  CHECK(fault.member == "archive/Data/0");
}

TEST_CASE("kZipNoCentralDirectory: every cut of an archive") {
  const std::string whole = torch_like().build();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(error_of(whole.substr(0, size)) == ErrorCode::kZipNoCentralDirectory);
  }
  CHECK(error_of(std::string(100, 'x')) == ErrorCode::kZipNoCentralDirectory);
}

TEST_CASE("bytes behind the archive are tolerated up to 64 KiB") {
  ZipBuilder builder = torch_like();
  builder.tamper = [](ZipBuilder::End& end) { end.trailing = std::string(60000, 'x'); };
  CHECK(read(builder.build()).members.size() == 3);
  builder.tamper = [](ZipBuilder::End& end) { end.comment = "PK is fine here"; };
  CHECK(read(builder.build()).members.size() == 3);
  builder.tamper = [](ZipBuilder::End& end) { end.trailing = std::string(70000, 'x'); };
  CHECK(error_of(builder.build()) == ErrorCode::kZipNoCentralDirectory);
}

TEST_CASE("zip64: end record and the fields whose 32-bit place is full") {
  ZipBuilder builder = torch_like();
  builder.items[1].zip64 = true;
  builder.tamper = [](ZipBuilder::End& end) { end.write_zip64 = end.saturate = true; };
  const std::string bytes = builder.build();
  const ZipDirectory zip = read(bytes);
  CHECK(zip.faults.empty());
  CHECK(zip.members[1].size == 4);
  CHECK(stored_bytes(view_of(bytes), zip.members[1])->text() == "0123");
}

TEST_CASE("kZipBadCentralDirectory: zip64 records that are missing or disagree") {
  ZipBuilder builder = torch_like();
  builder.tamper = [](ZipBuilder::End& end) { end.saturate = true; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);

  builder.tamper = [](ZipBuilder::End& end) { end.write_zip64 = true; };
  std::string bytes = builder.build();
  CHECK(read(bytes).members.size() == 3);
  bytes[bytes.rfind("PK\6\6") + 32] = 2;  // the number of members
  CHECK(error_of(bytes) == ErrorCode::kZipBadCentralDirectory);
}

TEST_CASE("kZipBadCentralDirectory: a full 32-bit place without its zip64 field") {
  ZipBuilder builder = torch_like();
  builder.items[1].size = 0xFFFFFFFF;
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
}

TEST_CASE("kZipBadCentralDirectory: counts and sizes that the directory does not bear out") {
  ZipBuilder builder = torch_like();
  builder.tamper = [](ZipBuilder::End& end) { end.entries = 65000; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
  builder.tamper = [](ZipBuilder::End& end) { end.entries = 2; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
  builder.tamper = [](ZipBuilder::End& end) { end.directory_size += 1; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
  builder.tamper = [](ZipBuilder::End& end) { end.directory_size -= 1; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
  builder.tamper = [](ZipBuilder::End& end) { end.directory_offset += 1; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
}

TEST_CASE("kZipBadCentralDirectory: a part of a split archive") {
  ZipBuilder builder = torch_like();
  builder.tamper = [](ZipBuilder::End& end) { end.disk = 1; };
  CHECK(read(builder.build()).members.size() == 3);
  builder.tamper = [](ZipBuilder::End& end) { end.disk = 2; };
  CHECK(error_of(builder.build()) == ErrorCode::kZipBadCentralDirectory);
}

TEST_CASE("kZipBadCentralDirectory: data marked as a folder, which torch hands out unread") {
  ZipBuilder builder = torch_like();
  builder.items[1].attributes = 0x10;
  const Fault fault = fault_of(builder.build());
  CHECK(fault.error.code == ErrorCode::kZipBadCentralDirectory);
  CHECK(fault.member == "archive/data/0");
  builder.add("archive/folder/", "");
  builder.last().attributes = 0x10;
  CHECK(read(builder.build()).faults.size() == 1);
}

TEST_CASE("kOverflow: a directory that ends beyond 64 bits") {
  ZipBuilder builder = torch_like();
  builder.tamper = [](ZipBuilder::End& end) {
    end.write_zip64 = end.saturate = true;
    end.directory_offset = UINT64_MAX - 1;
  };
  CHECK(error_of(builder.build()) == ErrorCode::kOverflow);
}

TEST_CASE("kOverflow: a member's header beyond 64 bits of a slice") {
  ZipBuilder builder = torch_like();
  builder.items[1].zip64 = builder.items[1].lie_about_offset = true;
  builder.items[1].header_offset = UINT64_MAX;
  const std::string bytes = builder.build();
  const Result<ZipDirectory> zip = read_zip_directory(view_of(bytes, 1), {});
  REQUIRE_FALSE(zip);
  CHECK(zip.error().code == ErrorCode::kOverflow);
}

TEST_CASE("kLimitExceeded: members and names") {
  const std::string bytes = torch_like().build();
  CHECK(error_of(bytes, {.zip_members = 2}) == ErrorCode::kLimitExceeded);
  CHECK(error_of(bytes, {.member_name_bytes = 3}) == ErrorCode::kLimitExceeded);

  ZipBuilder huge = torch_like();
  huge.tamper = [](ZipBuilder::End& end) {
    end.write_zip64 = end.saturate = true;
    end.entries = UINT64_MAX;
  };
  CHECK(error_of(huge.build()) == ErrorCode::kLimitExceeded);
}

TEST_CASE("kZipMemberOutside: a header or data behind the directory; the others stay readable") {
  ZipBuilder builder = torch_like();
  builder.items[1].lie_about_offset = true;
  builder.items[1].header_offset = 1'000'000;
  CHECK(fault_of(builder.build()).error.code == ErrorCode::kZipMemberOutside);

  builder = torch_like();
  builder.items[2].size = builder.items[2].compressed = 5000;
  const std::string bytes = builder.build();
  const Fault fault = fault_of(bytes);
  CHECK(fault.error.code == ErrorCode::kZipMemberOutside);
  CHECK(fault.error.detail == "needs 5000 bytes, 2 are left");
  CHECK(fault.member == "archive/version");
  const ZipDirectory zip = read(bytes);
  CHECK(stored_bytes(view_of(bytes), zip.members[0])->text() == "pickle");
  CHECK(stored_bytes(view_of(bytes), zip.members[2]).error().code == ErrorCode::kZipMemberOutside);
}

TEST_CASE("kZipBadLocalHeader: no header where the directory says") {
  ZipBuilder builder = torch_like();
  builder.items[1].local_magic = "XXXX";
  const Fault fault = fault_of(builder.build());
  CHECK(fault.error.code == ErrorCode::kZipBadLocalHeader);
  CHECK(fault.error.offset == builder.items[1].header_offset);
}

TEST_CASE("kZipMembersOverlap: two members share bytes") {
  ZipBuilder builder = torch_like();
  builder.items[2].lie_about_offset = true;
  builder.items[2].header_offset = 0;
  builder.items[2].name = "archive/data.pk2";
  // The header there has another name, and the one that nobody points to now is a stray member.
  std::vector<ErrorCode> codes;
  for (const Fault& fault : read(builder.build()).faults) codes.push_back(fault.error.code);
  CHECK(codes == std::vector<ErrorCode>{ErrorCode::kZipLocalDisagrees,
                                        ErrorCode::kZipMembersOverlap, ErrorCode::kZipStrayBytes});
}

TEST_CASE("kZipEncrypted") {
  ZipBuilder builder = torch_like();
  builder.items[1].flags |= 1;
  const std::string bytes = builder.build();
  CHECK(fault_of(bytes).error.code == ErrorCode::kZipEncrypted);
  const ZipDirectory zip = read(bytes);
  CHECK(stored_bytes(view_of(bytes), zip.members[1]).error().code == ErrorCode::kZipEncrypted);
}

TEST_CASE("a deflated member is inflated into the buffer") {
  ZipBuilder builder = torch_like();
  builder.add("archive/code/a.py", kDeflated);
  builder.last().method = 8;
  builder.last().size = kInflated.size();
  const std::string bytes = builder.build();
  const ZipDirectory zip = read(bytes);
  std::string buffer;
  const Result<ByteView> code = member_bytes(view_of(bytes), zip.members[3], {}, buffer);
  REQUIRE(code);
  CHECK(code->text() == kInflated);
  CHECK(code->offset() == zip.members[3].data.offset);
  CHECK(stored_bytes(view_of(bytes), zip.members[3]).error().code ==
        ErrorCode::kZipUnsupportedMethod);
  CHECK(member_bytes(view_of(bytes), zip.members[0], {}, buffer)->text() == "pickle");
}

TEST_CASE("checksums are of the contents, stored or deflated") {
  ZipBuilder builder = torch_like();
  builder.add("archive/code/a.py", kDeflated);
  builder.last().method = 8;
  builder.last().size = kInflated.size();
  std::string bytes = builder.build();
  const ZipDirectory zip = read(bytes);
  CHECK(member_checksum(view_of(bytes), zip.members[0], {}) == 0xb743740e);
  CHECK(member_checksum(view_of(bytes), zip.members[3], {}) == 0x8d3d51e3);
  builder.last().size += 1;
  bytes = builder.build();
  CHECK(member_checksum(view_of(bytes), read(bytes).members[3], {}).error().code ==
        ErrorCode::kZipBadDeflate);
  builder.last().size = kDeflated.size() * Limits{}.inflate_ratio + 1;
  bytes = builder.build();
  CHECK(member_checksum(view_of(bytes), read(bytes).members[3], {}).error().code ==
        ErrorCode::kLimitExceeded);
}

TEST_CASE("kZipBadDeflate: a wrong stream, a wrong size") {
  ZipBuilder builder = torch_like();
  builder.add("archive/code/a.py", kDeflated);
  builder.last().method = 8;
  std::string buffer;
  for (const std::size_t size : {kInflated.size() - 1, kInflated.size() + 1}) {
    builder.last().size = size;
    const std::string bytes = builder.build();
    const Result<ByteView> code = member_bytes(view_of(bytes), read(bytes).members[3], {}, buffer);
    REQUIRE_FALSE(code);
    CHECK(code.error().code == ErrorCode::kZipBadDeflate);
  }
}

TEST_CASE("kLimitExceeded: a deflated member that would grow too much is not inflated") {
  ZipBuilder builder = torch_like();
  builder.add("archive/code/a.py", kDeflated);
  builder.last().method = 8;
  builder.last().zip64 = true;
  std::string buffer;
  for (const std::uint64_t size :
       {kDeflated.size() * Limits{}.inflate_ratio + 1, std::uint64_t{1} << 60}) {
    builder.last().size = size;
    const std::string bytes = builder.build();
    const Result<ByteView> code = member_bytes(view_of(bytes), read(bytes).members[3], {}, buffer);
    REQUIRE_FALSE(code);
    CHECK(code.error().code == ErrorCode::kLimitExceeded);
    CHECK(buffer.empty());
  }
}

TEST_CASE("kZipUnsupportedMethod and sizes of a stored member that differ") {
  ZipBuilder builder = torch_like();
  builder.items[1].method = 12;
  std::string buffer;
  std::string bytes = builder.build();
  CHECK(member_bytes(view_of(bytes), read(bytes).members[1], {}, buffer).error().code ==
        ErrorCode::kZipUnsupportedMethod);
  builder.items[1].method = 0;
  builder.items[1].size = 3;
  bytes = builder.build();
  CHECK(member_bytes(view_of(bytes), read(bytes).members[1], {}, buffer).error().code ==
        ErrorCode::kZipBadCentralDirectory);
}
