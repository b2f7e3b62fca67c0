// Files that are compressed as a whole: what comes out, and everything that can be wrong around it.
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "formats/compressed.h"
#include "formats/detect.h"
#include "formats/read.h"
#include "unit/catch.h"
#include "unit/torch_pickle.h"
#include "unit/zip_builder.h"

using namespace torchvet;

namespace {

std::string gzipped(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& bytes) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size()));
  ZSTD_freeCCtx(context);
  return out;
}

Decompressed unpacked(std::string bytes, const Limits& limits = {}) {
  const auto source = Source::from_bytes("made.pt.gz", std::move(bytes));
  const auto compression = compression_of(source->bytes());
  REQUIRE(compression);
  return decompress(*source, *compression, limits);
}

ErrorCode error_of(std::string bytes, const Limits& limits = {}) {
  const Decompressed result = unpacked(std::move(bytes), limits);
  REQUIRE(result.error);
  CHECK((result.contents == nullptr) == (result.error->code != ErrorCode::kZipStrayBytes));
  return result.error->code;
}

/// Bytes that hardly get smaller.
std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 1;
  for (char& c : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return bytes;
}

using Compress = std::string (*)(const std::string&);
constexpr Compress kBoth[] = {gzipped, zstd};

}  // namespace

TEST_CASE("what was compressed comes out, in one stream or several") {
  const std::string content = noise(3'000'000);
  for (const Compress compress : kBoth) {
    const Decompressed one = unpacked(compress(content));
    CHECK_FALSE(one.error);
    REQUIRE(one.contents);
    CHECK(one.contents->bytes().text() == content);
    CHECK(one.contents->path() == "made.pt.gz");
    CHECK(one.contents->sibling_names().empty());
    const Decompressed two = unpacked(compress(content) + compress("more"));
    CHECK_FALSE(two.error);
    CHECK(two.contents->bytes().text() == content + "more");
    const Decompressed padded = unpacked(compress("abc") + std::string(100, '\0'));
    CHECK_FALSE(padded.error);
    CHECK(padded.contents->bytes().text() == "abc");
    CHECK(unpacked(compress("")).contents->bytes().empty());
  }
}

TEST_CASE("compressed data with one thing wrong") {
  const std::string content = noise(100'000);
  for (const Compress compress : kBoth) {
    const std::string whole = compress(content);
    for (const std::size_t size : {5ul, 20ul, whole.size() / 2, whole.size() - 1}) {
      CHECK(error_of(whole.substr(0, size)) == ErrorCode::kTruncated);
    }
    CHECK(error_of(whole + "behind") == ErrorCode::kZipStrayBytes);
    CHECK(error_of(whole + compress("more").substr(0, 15)) == ErrorCode::kTruncated);
  }
  std::string sum = gzipped(content);
  sum[sum.size() - 8] ^= 1;
  CHECK(error_of(sum) == ErrorCode::kZipChecksum);
  sum = zstd(content);
  sum[sum.size() - 1] ^= 1;
  CHECK(error_of(sum) == ErrorCode::kZipChecksum);
  CHECK(error_of(gzipped("").substr(0, 10) + "\xff\xff\xff\xff") == ErrorCode::kZipBadDeflate);
}

TEST_CASE("what comes out is bounded") {
  Limits limits;
  limits.decompressed_bytes = 99'999;
  for (const Compress compress : kBoth) {
    CHECK(error_of(compress(noise(100'000)), limits) == ErrorCode::kLimitExceeded);
    limits.decompressed_bytes = 100'000;
    CHECK_FALSE(unpacked(compress(noise(100'000)), limits).error);
    limits.decompressed_bytes = 99'999;
  }
  // Some KB of zstd: what is small anyway may come out, 64 MiB and a byte may not.
  constexpr std::size_t kAlways = 64 << 20;
  CHECK_FALSE(unpacked(zstd(std::string(kAlways, '\0'))).error);
  CHECK(error_of(zstd(std::string(kAlways + 1, '\0'))) == ErrorCode::kLimitExceeded);
}

TEST_CASE("a compressed model is read as the model that it is") {
  ZipBuilder zip;
  zip.add("a/data.pkl", pickles::whole(pickles::num(3))).add("a/version", "3\n");
  const std::string content = zip.build();
  const auto read = [](const std::string& name, std::string bytes) {
    return read_artifact(Source::from_bytes(name, std::move(bytes)), {});
  };
  for (const Compress compress : kBoth) {
    const Artifact artifact = read("net.pt.zst", compress(content));
    CHECK(artifact.format == Format::kTorchZip);
    CHECK(artifact.source.size == compress(content).size());
    CHECK(artifact.source.contents == content.size());
    CHECK(artifact.gaps.empty());
    CHECK(read("download", compress(content)).format == Format::kTorchZip);
    // No loader opens it, whatever is in it.
    CHECK(read("net.pt", compress(content)).format == Format::kNotAModel);
    const Artifact cut = read("net.pt.gz", compress(content).substr(0, 40));
    CHECK(cut.faults.size() == 1);
    CHECK(cut.gaps.size() == 1);
  }
  CHECK(has_model_extension("a/net.pt.gz"));
  CHECK(has_model_extension("pytorch_model.bin.ZST"));
  CHECK_FALSE(has_model_extension("table.csv.gz"));
}
