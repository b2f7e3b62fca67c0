#include <functional>

#include "formats/read.h"
#include "formats/zip.h"
#include "formats/zip_layout.h"
#include "io/source.h"
#include "unit/catch.h"
#include "unit/zip_builder.h"

using namespace torchvet;

namespace {

ByteView view_of(const std::string& bytes) {
  return ByteView(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), 0);
}

ZipDirectory read(const std::string& bytes) {
  Result<ZipDirectory> zip = read_zip_directory(view_of(bytes), {});
  INFO((zip ? "" : zip.error().detail));
  REQUIRE(zip);
  return std::move(*zip);
}

ZipBuilder three() {
  ZipBuilder zip;
  zip.add("archive/data.pkl", "pickle").add("archive/data/0", "0123").add("archive/version", "3\n");
  return zip;
}

/// The code of the only fault, after bytes of the finished archive were changed.
ErrorCode fault_after(ZipBuilder zip, const std::function<void(std::string&)>& edit) {
  std::string bytes = zip.build();
  CHECK(read(bytes).faults.empty());
  edit(bytes);
  const ZipDirectory directory = read(bytes);
  REQUIRE(directory.faults.size() == 1);
  return directory.faults.front().error.code;
}

/// As torch's writer lays it out: padding before the data, a descriptor behind them.
std::string torch_archive(std::uint64_t alignment) {
  ZipBuilder zip;
  std::uint64_t at = 0;
  for (const auto& [name, data] : std::vector<std::pair<std::string, std::string>>{
           {"archive/data.pkl", "pickle"}, {"archive/data/0", ""}, {"archive/data/1", "0123"}}) {
    const std::uint64_t begin = at + 30 + name.size() + 4;
    const std::uint64_t padding = (alignment - begin % alignment) % alignment;
    zip.add(name, data);
    zip.last().local_extra =
        std::string("FB") + static_cast<char>(padding) + '\0' + std::string(padding, 'Z');
    if (!data.empty()) zip.last().data += std::string("PK\7\x08", 4) + std::string(12, '\0');
    at = begin + padding + zip.last().data.size();
  }
  return zip.build();
}

}  // namespace

TEST_CASE("kZipLocalDisagrees: another name, method, checksum or size in a local header") {
  const auto patched = [](std::size_t at, char value) {
    return [=](std::string& bytes) { bytes[at] = value; };
  };
  CHECK(fault_after(three(), patched(30, 'b')) == ErrorCode::kZipLocalDisagrees);
  CHECK(fault_after(three(), patched(8, 8)) == ErrorCode::kZipLocalDisagrees);
  CHECK(fault_after(three(), patched(14, 1)) == ErrorCode::kZipLocalDisagrees);
  CHECK(fault_after(three(), patched(18, 5)) == ErrorCode::kZipLocalDisagrees);
  CHECK(fault_after(three(), patched(22, 5)) == ErrorCode::kZipLocalDisagrees);
  std::string same = three().build();
  same[18] = same[22] = 6;  // what the directory says
  CHECK(read(same).faults.empty());
}

TEST_CASE("kZipStrayBytes: behind the archive, and members that no directory names") {
  CHECK(fault_after(three(), [](std::string& bytes) { bytes += 'x'; }) ==
        ErrorCode::kZipStrayBytes);
  for (const std::size_t hidden : {0, 1, 2}) {
    ZipBuilder zip = three();
    std::string bytes = zip.build();
    const std::string gone = zip.items[hidden].name;
    zip.items.erase(zip.items.begin() + static_cast<std::ptrdiff_t>(hidden));
    // The members of the whole archive under the directory of one with a member less.
    const std::string fewer = zip.build();
    const std::size_t data_end = bytes.find("PK\1\2");
    const std::size_t removed = data_end - fewer.find("PK\1\2");
    std::string directory = fewer.substr(fewer.find("PK\1\2"));
    const std::size_t end = directory.rfind("PK\5\6");
    directory[end + 16] = static_cast<char>(data_end & 0xFF);
    directory[end + 17] = static_cast<char>(data_end >> 8);
    std::size_t entry = 0;
    for (std::size_t i = 0; i < zip.items.size();
         ++i, entry = directory.find("PK\1\2", entry + 4)) {
      const std::uint64_t header = zip.items[i].header_offset + (i >= hidden ? removed : 0);
      directory[entry + 42] = static_cast<char>(header);
    }
    const ZipDirectory read_back = read(bytes.substr(0, data_end) + directory);
    REQUIRE(read_back.faults.size() == 1);
    CHECK(read_back.faults[0].error.code == ErrorCode::kZipStrayBytes);
  }
}

TEST_CASE("kZipTwoDirectories: bytes between the directory and its end, a zip64 record elsewhere") {
  const auto insert_before = [](const char* magic, const std::string& text) {
    return [=](std::string& bytes) { bytes.insert(bytes.rfind(std::string(magic, 4)), text); };
  };
  CHECK(fault_after(three(), insert_before("PK\5\6", "junk")) == ErrorCode::kZipTwoDirectories);
  ZipBuilder wide = three();
  wide.tamper = [](ZipBuilder::End& end) { end.write_zip64 = true; };
  CHECK(fault_after(wide, insert_before("PK\6\7", "junk")) == ErrorCode::kZipTwoDirectories);
}

TEST_CASE("a comment is no stray bytes") {
  ZipBuilder zip = three();
  zip.tamper = [](ZipBuilder::End& end) { end.comment = "made by hand"; };
  CHECK(read(zip.build()).faults.empty());
}

TEST_CASE("torch's layout is told from any other") {
  const ZipDirectory zip = read(torch_archive(64));
  CHECK(zip.faults.empty());
  CHECK_FALSE(find_layout_break(zip, 0, 64));
  CHECK(find_layout_break(zip, 0, 128).has_value());
  CHECK(find_layout_break(read(three().build()), 0, 64)->member == "archive/data.pkl");
  std::string moved = torch_archive(64);
  const std::size_t directory = moved.find("PK\1\2");
  moved.insert(directory, 8, '\0');
  moved[moved.rfind("PK\5\6") + 16] = static_cast<char>(directory + 8);
  moved[moved.rfind("PK\5\6") + 17] = static_cast<char>((directory + 8) >> 8);
  CHECK(find_layout_break(read(moved), 0, 64)->member.empty());
}

TEST_CASE("places beyond 4 GiB and beyond 64 bits") {
  constexpr std::uint64_t kFull = 0xFFFFFFFF;
  CHECK(torch_data_offset(0, 14, 100, 64) == 64);
  CHECK(torch_data_offset(0, 14, kFull, 64) == 128);                   // 30 + 14 + 4 + 4 + 16
  CHECK(torch_data_offset(kFull + 1, 10, 100, 64) == kFull + 1 + 64);  // 30 + 10 + 4 + 4 + 8
  CHECK(torch_next_header(0, 64, 100) == 180);
  CHECK(torch_next_header(0, 64, 0) == 64);
  CHECK(torch_next_header(kFull, kFull + 64, 100) == kFull + 64 + 100 + 24);
  CHECK_FALSE(torch_data_offset(UINT64_MAX - 10, 14, 100, 64));
  CHECK_FALSE(torch_next_header(0, UINT64_MAX, 1));
}

TEST_CASE("kZipChecksum: of programs always, of all members with digest; 0 is not recorded") {
  ZipBuilder zip = three();
  zip.items[0].data = "I1\n.  ", zip.items[0].crc32 = 7;
  zip.items[1].crc32 = 7;
  const auto faults = [&](bool digest) {
    ReadOptions options;
    options.digest = digest;
    const Artifact artifact = read_artifact(Source::from_bytes("a.pt", zip.build()), options);
    CHECK(artifact.source.sha256.empty() == !digest);
    std::vector<std::string> members;
    for (const Fault& fault : artifact.faults) {
      if (fault.error.code == ErrorCode::kZipChecksum) members.push_back(fault.member);
    }
    return members;
  };
  CHECK(faults(false) == std::vector<std::string>{"archive/data.pkl"});
  CHECK(faults(true) == std::vector<std::string>{"archive/data.pkl", "archive/data/0"});
  zip.items[0].crc32 = 0;
  CHECK(faults(false).empty());
}
