#include "core/bytes.h"
#include "core/digest.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {
const std::uint8_t kData[] = {1, 2, 3, 4, 5, 6, 7, 8, 'h', 'i', '\n', 'x'};
const ByteView kView(kData, sizeof(kData), 100);
}  // namespace

TEST_CASE("a cursor reads little-endian numbers and knows the absolute offset") {
  Cursor cursor(kView);
  CHECK(cursor.read<std::uint16_t>().value() == 0x0201);
  CHECK(cursor.read<std::uint32_t>().value() == 0x06050403);
  CHECK(cursor.offset() == 106);
}

TEST_CASE("a cursor never reads past the end and stays where it was") {
  Cursor cursor(kView, 8);
  const auto number = cursor.read<std::uint64_t>();
  REQUIRE_FALSE(number);
  CHECK(number.error().code == ErrorCode::kTruncated);
  CHECK(number.error().offset == 108);
  CHECK(cursor.position() == 8);
  CHECK(cursor.read_line().value() == "hi");
  CHECK_FALSE(cursor.read_line());
}

TEST_CASE("a slice keeps absolute offsets and refuses what wraps around") {
  CHECK(kView.slice(8, 2).value().offset() == 108);
  CHECK_FALSE(kView.slice(8, 5));
  CHECK_FALSE(kView.slice(2, UINT64_MAX));
  CHECK_FALSE(kView.slice(UINT64_MAX, 1));
}

TEST_CASE("a digest depends on the bytes alone, not on how they were cut") {
  Digester whole;
  whole.update(kData, sizeof(kData));
  Digester parts;
  parts.update(kData, 5);
  parts.update(kData + 5, sizeof(kData) - 5);
  CHECK(whole.finish() == parts.finish());
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
