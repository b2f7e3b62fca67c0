// A model that somebody compressed as a whole: `model.pt.gz`, `model.pt.zst`. Loaders of torch do
// not open one; people unpack it first, and so does this.
//
// Readers look at bytes anywhere in a file, which a compressed stream does not allow, so it is
// unpacked once, into a temporary file without a name. How much may come out is bounded in itself
// and by what went in: 10 KB that become 10 GB are no model but an attack, or a file of zeros,
// which is none either.
//
// Both formats may consist of several streams one after the other, which together are the file.
#include "formats/compressed.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "io/temporary_file.h"

namespace torchvet {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kGzipMagic = "\x1f\x8b"sv, kZstdMagic = "\x28\xb5\x2f\xfd"sv;
constexpr std::size_t kBuffer = 1 << 20;
constexpr std::uint64_t kAlways = 64 << 20;  ///< may come out of however little

/// Takes what comes out, and says when it is too much.
class Output {
 public:
  Output(TemporaryFile& file, std::uint64_t compressed, const Limits& limits)
      : file_(file),
        left_(std::min(
            limits.decompressed_bytes,
            std::max(kAlways, checked_mul(compressed, limits.inflate_ratio).value_or(UINT64_MAX)))),
        by_ratio_(left_ < limits.decompressed_bytes) {}

  [[nodiscard]] Result<void> take(std::span<const std::uint8_t> bytes, std::uint64_t at) {
    if (bytes.size() > left_) {
      return fail(ErrorCode::kLimitExceeded, at,
                  by_ratio_ ? "more comes out of it than inflate-ratio allows"
                            : "more comes out of it than decompressed-bytes allows");
    }
    left_ -= bytes.size();
    return file_.append(bytes);
  }

 private:
  TemporaryFile& file_;
  std::uint64_t left_;
  bool by_ratio_;
};

bool is_padding(ByteView rest) {
  return rest.text().find_first_not_of('\0') == std::string_view::npos;
}

std::string stray_bytes(std::uint64_t count) {
  return std::to_string(count) + " bytes follow the end of the compressed data";
}

// ---- gzip -----------------------------------------------------------------------------------

struct EndInflate {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

Error gzip_error(int code, const z_stream& stream, std::uint64_t at) {
  const std::string_view words = stream.msg ? stream.msg : "";
  if (code == Z_MEM_ERROR) return {ErrorCode::kLimitExceeded, at, "there is not enough memory"};
  if (words == "incorrect data check" || words == "incorrect length check") {
    return {ErrorCode::kZipChecksum, at, "gzip: " + std::string(words)};
  }
  return {ErrorCode::kZipBadDeflate, at,
          "gzip: " + (words.empty() ? "the data are damaged" : std::string(words))};
}

Result<void> unpack_gzip(ByteView file, Output& output) {
  constexpr int kGzipOnly = 15 + 16;
  constexpr std::uint64_t kMostAtOnce = 1 << 30;
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) {
    return fail(ErrorCode::kLimitExceeded, 0, "there is not enough memory");
  }
  const std::unique_ptr<z_stream, EndInflate> end(&stream);
  std::vector<std::uint8_t> buffer(kBuffer);
  std::uint64_t position = 0;
  for (;;) {
    const std::uint64_t given = std::min(file.size() - position, kMostAtOnce);
    stream.next_in = const_cast<std::uint8_t*>(file.data() + position);
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<uInt>(buffer.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    position += given - stream.avail_in;
    const std::size_t made = buffer.size() - stream.avail_out;
    if (Result<void> taken = output.take({buffer.data(), made}, position); !taken) return taken;
    if (code == Z_STREAM_END) {
      const ByteView rest = *file.slice(position, file.size() - position);
      if (!rest.starts_with(kGzipMagic)) {
        if (is_padding(rest)) return {};
        return fail(ErrorCode::kZipStrayBytes, position, stray_bytes(rest.size()));
      }
      if (inflateReset(&stream) != Z_OK) {
        return fail(ErrorCode::kLimitExceeded, position, "there is not enough memory");
      }
      continue;
    }
    if (code == Z_BUF_ERROR || (code == Z_OK && position == file.size() && made < buffer.size())) {
      return fail(ErrorCode::kTruncated, position, "the compressed data end before their end");
    }
    if (code != Z_OK) {
      const Error error = gzip_error(code, stream, position);
      return tl::unexpected<Error>(error);
    }
  }
}

// ---- zstd -----------------------------------------------------------------------------------

struct FreeZstd {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

Error zstd_error(std::size_t code, std::uint64_t at) {
  const std::string words = std::string("zstd: ") + ZSTD_getErrorName(code);
  switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_checksum_wrong:
      return {ErrorCode::kZipChecksum, at, words};
    case ZSTD_error_frameParameter_windowTooLarge:
    case ZSTD_error_dictionary_wrong:
    case ZSTD_error_version_unsupported:
      return {ErrorCode::kFormatUnsupported, at, words};
    case ZSTD_error_memory_allocation:
      return {ErrorCode::kLimitExceeded, at, words};
    default:
      return {ErrorCode::kZipBadDeflate, at, words};
  }
}

Result<void> unpack_zstd(ByteView file, Output& output) {
  const std::unique_ptr<ZSTD_DStream, FreeZstd> stream(ZSTD_createDStream());
  if (!stream) return fail(ErrorCode::kLimitExceeded, 0, "there is not enough memory");
  std::vector<std::uint8_t> buffer(kBuffer);
  ZSTD_inBuffer in = {file.data(), static_cast<std::size_t>(file.size()), 0};
  bool between = true;  // frames
  for (;;) {
    if (between && in.pos > 0) {
      const ByteView rest = *file.slice(in.pos, file.size() - in.pos);
      if (is_padding(rest)) return {};
      const std::uint8_t skippable = rest[0] & 0xf0;
      const bool frame = rest.starts_with(kZstdMagic) ||
                         (skippable == 0x50 && rest.text().substr(1, 3) == "\x2a\x4d\x18");
      if (!frame) return fail(ErrorCode::kZipStrayBytes, in.pos, stray_bytes(rest.size()));
    }
    ZSTD_outBuffer out = {buffer.data(), buffer.size(), 0};
    const std::size_t code = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(code)) return tl::unexpected<Error>(zstd_error(code, in.pos));
    if (Result<void> taken = output.take({buffer.data(), out.pos}, in.pos); !taken) return taken;
    between = code == 0;
    if (!between && in.pos == in.size && out.pos < out.size) {
      return fail(ErrorCode::kTruncated, in.pos, "the compressed data end before their end");
    }
  }
}

}  // namespace

std::string_view name_of(Compression compression) {
  return compression == Compression::kGzip ? "gzip" : "zstd";
}

std::optional<Compression> compression_of(ByteView file) {
  if (file.starts_with(kGzipMagic)) return Compression::kGzip;
  if (file.starts_with(kZstdMagic)) return Compression::kZstd;
  return std::nullopt;
}

std::string_view without_compression(std::string_view path) {
  const auto ends = [path](std::string_view ending) {
    return path.size() > ending.size() &&
           std::equal(ending.rbegin(), ending.rend(), path.rbegin(), [](char want, char got) {
             return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got - 'A' + 'a') : got);
           });
  };
  for (const std::string_view ending : {".gz"sv, ".zst"sv}) {
    if (ends(ending)) return path.substr(0, path.size() - ending.size());
  }
  return path;
}

Decompressed decompress(const Source& file, Compression compression, const Limits& limits) {
  Decompressed result;
  Result<TemporaryFile> made = TemporaryFile::make();
  if (!made) {
    result.error = made.error();
    return result;
  }
  Output output(*made, file.bytes().size(), limits);
  const Result<void> unpacked = compression == Compression::kGzip
                                    ? unpack_gzip(file.bytes(), output)
                                    : unpack_zstd(file.bytes(), output);
  if (!unpacked) result.error = unpacked.error();
  if (result.error && result.error->code != ErrorCode::kZipStrayBytes) return result;
  Result<std::shared_ptr<Source>> contents = std::move(*made).into_source(file.path());
  if (contents) {
    result.contents = std::move(*contents);
  } else {
    result.error = contents.error();
  }
  return result;
}

}  // namespace torchvet
