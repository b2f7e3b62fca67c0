// Deflated bytes, as a whole and as a stream: every way in which a directory can lie about them.
#include "core/inflate.h"

#include <libdeflate.h>

#include <cstring>
#include <string>
#include <vector>

#include "unit/catch.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kOffset = 1000;  // where the compressed bytes lie in their file

/// Bytes of four windows and a bit, which deflate to about a third.
std::string plain_bytes() {
  std::string bytes(300'001, '\0');
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    state = state * 1664525 + 1013904223;
    bytes[i] = static_cast<char>(i % 3 == 0 ? state >> 24 : i % 7);
  }
  return bytes;
}

std::string deflated(const std::string& bytes, int level = 6) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(level);
  std::string packed(libdeflate_deflate_compress_bound(compressor, bytes.size()), '\0');
  packed.resize(libdeflate_deflate_compress(compressor, bytes.data(), bytes.size(), packed.data(),
                                            packed.size()));
  libdeflate_free_compressor(compressor);
  return packed;
}

ByteView view_of(const std::string& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), kOffset};
}

/// The error of reading all of it, which must be the same in both ways.
Error error_of(const std::string& packed, std::uint64_t size) {
  InflateStream stream(view_of(packed), size);
  const Result<void> end = stream.finish();
  REQUIRE_FALSE(end);
  std::string buffer;
  const Result<ByteView> whole = inflate_whole(view_of(packed), size, {}, buffer);
  REQUIRE_FALSE(whole);
  CHECK(whole.error().code == end.error().code);
  CHECK(whole.error().offset == end.error().offset);
  CHECK(whole.error().detail == end.error().detail);
  CHECK(buffer.empty());
  return end.error();
}

bool mentions(const Error& error, const std::string& words) {
  return error.detail.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("a stream gives the bytes that were deflated, in whatever parts they are asked for") {
  const std::string bytes = plain_bytes();
  const std::string packed = deflated(bytes);
  std::string buffer;
  const Result<ByteView> whole = inflate_whole(view_of(packed), bytes.size(), {}, buffer);
  REQUIRE(whole);
  CHECK(whole->text() == bytes);
  CHECK(whole->offset() == kOffset);
  for (const std::uint64_t part : {1ull, 4ull, 4096ull, 65'535ull, 65'536ull, 100'000ull}) {
    InflateStream stream(view_of(packed), bytes.size());
    std::string read(bytes.size(), '\0');
    for (std::uint64_t at = 0; at < bytes.size(); at += part) {
      const std::uint64_t size = std::min<std::uint64_t>(part, bytes.size() - at);
      REQUIRE(stream.read(at, size, reinterpret_cast<std::uint8_t*>(read.data() + at)));
    }
    CHECK(read == bytes);
    CHECK(stream.finish());
  }
}

TEST_CASE("a stream ends in whatever bit of its last byte") {
  const std::string bytes = plain_bytes();
  for (const int level : {0, 1, 6, 12}) {
    for (std::size_t size = 0; size < 400; ++size) {
      const std::string packed = deflated(bytes.substr(0, size), level);
      InflateStream stream(view_of(packed), size);
      const Result<void> end = stream.finish();
      INFO("level " << level << ", " << size << " bytes: " << (end ? "" : end.error().detail));
      CHECK(end);
      // One byte less of it never passes for the whole.
      const std::string less = packed.substr(0, packed.size() - 1);
      CHECK_FALSE(InflateStream(view_of(less), size).finish());
    }
  }
}

TEST_CASE("a stream skips what is not asked for") {
  const std::string bytes = plain_bytes();
  const std::string packed = deflated(bytes);
  InflateStream stream(view_of(packed), bytes.size());
  std::uint8_t four[4] = {};
  for (std::uint64_t at = 5; at + 4 <= bytes.size(); at += 70'000) {
    REQUIRE(stream.read(at, 4, four));
    CHECK(std::memcmp(four, bytes.data() + at, 4) == 0);
    CHECK(stream.position() <= at);
    CHECK(stream.inflated() >= at + 4);
  }
  CHECK(stream.finish());
}

TEST_CASE("windows follow each other to the end") {
  const std::string bytes = plain_bytes();
  const std::string packed = deflated(bytes);
  InflateStream stream(view_of(packed), bytes.size());
  std::string read;
  for (Result<ByteView> part = stream.next(); part && !part->empty(); part = stream.next()) {
    read += part->text();
  }
  CHECK(read == bytes);
  CHECK(stream.finish());
}

TEST_CASE("nothing deflated is nothing, and no bytes at all are no stream") {
  const std::string nothing = deflated("");
  std::string buffer;
  CHECK(inflate_whole(view_of(nothing), 0, {}, buffer));
  CHECK(mentions(error_of("", 0), "end without the end of the stream"));
}

TEST_CASE("kZipBadDeflate: what is wrong, and where in the file") {
  const std::string bytes = plain_bytes();
  const std::string packed = deflated(bytes);
  const std::uint64_t end = kOffset + packed.size();

  SECTION("the promised size is too large") {
    const Error error = error_of(packed, bytes.size() + 1);
    CHECK(mentions(error, "the deflated stream ends"));
    CHECK(error.offset == end);
  }
  SECTION("the promised size is too small") {
    const Error error = error_of(packed, bytes.size() - 1);
    CHECK(mentions(error, "the deflated stream goes on"));
    CHECK(mentions(error, "after 300000 of 300000 bytes"));
  }
  SECTION("the stream is cut off") {
    const Error error = error_of(packed.substr(0, packed.size() / 2), bytes.size());
    CHECK(mentions(error, "the deflated bytes end"));
    CHECK(error.offset == kOffset + packed.size() / 2);
  }
  SECTION("something follows it") {
    const Error error = error_of(packed + "PK", bytes.size());
    CHECK(mentions(error, "2 bytes follow the deflated stream"));
    CHECK(error.offset == end);
  }
  SECTION("a block of a type that there is not") {
    std::string broken = packed;
    broken[0] |= 6;
    const Error error = error_of(broken, bytes.size());
    CHECK(mentions(error, "the deflated stream is broken"));
    CHECK(mentions(error, "after 0 of 300001 bytes"));
    CHECK(error.offset >= kOffset);
    CHECK(error.offset < kOffset + 10);
  }
  CHECK(error_of(std::string(8, '\xff'), 4).code == ErrorCode::kZipBadDeflate);
}

TEST_CASE("after a fault a stream stays where it is") {
  const std::string bytes = plain_bytes();
  const std::string cut = deflated(bytes).substr(0, 50'000);
  InflateStream stream(view_of(cut), bytes.size());
  std::vector<std::uint8_t> read(bytes.size());
  CHECK_FALSE(stream.read(0, bytes.size(), read.data()));
  const std::string first = stream.error().detail;
  CHECK_FALSE(stream.read(bytes.size() - 1, 1, read.data()));
  CHECK_FALSE(stream.finish());
  CHECK(stream.error().detail == first);
}

TEST_CASE("kLimitExceeded: nothing is allocated for a size that cannot be, or is too much") {
  const std::string packed = deflated("torchvet");
  std::string buffer;
  const std::uint64_t most = packed.size() * Limits{}.inflate_ratio;
  CHECK(check_inflated_size(view_of(packed), most, {}));
  const Result<void> beyond = check_inflated_size(view_of(packed), most + 1, {});
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().code == ErrorCode::kLimitExceeded);
  CHECK(beyond.error().offset == kOffset);
  Limits small;
  small.inflated_bytes = 7;
  const Result<ByteView> large = inflate_whole(view_of(packed), 8, small, buffer);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == ErrorCode::kLimitExceeded);
  CHECK(buffer.capacity() < 64);
}

}  // namespace torchvet
