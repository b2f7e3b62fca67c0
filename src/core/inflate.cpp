// Deflated bytes, at once or as a stream.
//
// What a directory says about a member may be a lie, and a stream tells its true size only while it
// is inflated. So the promised size bounds every output, and is held against the stream at its end:
// a stream that ends early, goes on, or is followed by bytes of something else is named, with the
// offset at which that shows. libdeflate is twice as fast and needs the whole output in memory; zlib
// keeps a window of 32 KiB and gives the rest away.
#include "core/inflate.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

#include "core/checked.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kWindowBytes = 64ull * 1024;
constexpr std::uint64_t kMostInput = 1ull << 30;  // zlib counts what is there in 32 bits

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* one) const { libdeflate_free_decompressor(one); }
};

}  // namespace

Result<void> check_inflated_size(ByteView compressed, std::uint64_t size, const Limits& limits) {
  const auto most = checked_mul(compressed.size(), limits.inflate_ratio).value_or(UINT64_MAX);
  if (size <= most) return {};
  return fail(ErrorCode::kLimitExceeded, compressed.offset(),
              fmt::format("the {} deflated bytes at byte {} claim to hold {} bytes",
                          compressed.size(), compressed.offset(), size));
}

Result<ByteView> inflate_whole(ByteView compressed, std::uint64_t size, const Limits& limits,
                               std::string& buffer) {
  buffer.clear();
  if (Result<void> sound = check_inflated_size(compressed, size, limits); !sound) {
    return tl::unexpected<Error>(std::move(sound.error()));
  }
  if (size > limits.inflated_bytes) {
    return fail(ErrorCode::kLimitExceeded, compressed.offset(),
                fmt::format("the deflated bytes at byte {} hold {} bytes, at most {} are inflated "
                            "at once (inflated-bytes)",
                            compressed.offset(), size, limits.inflated_bytes));
  }
  const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  buffer.resize(static_cast<std::size_t>(size));
  std::size_t read = 0;
  std::size_t written = 0;
  const libdeflate_result result =
      libdeflate_deflate_decompress_ex(decompressor.get(), compressed.data(), compressed.size(),
                                       buffer.data(), buffer.size(), &read, &written);
  if (result != LIBDEFLATE_SUCCESS || written != size || read != compressed.size()) {
    buffer.clear();
    // The slow way again, for what goes wrong and where.
    InflateStream stream(compressed, size);
    if (Result<void> end = stream.finish(); !end) {
      return tl::unexpected<Error>(std::move(end.error()));
    }
    return fail(ErrorCode::kZipBadDeflate, compressed.offset(), "the deflated bytes are broken");
  }
  return ByteView(reinterpret_cast<const std::uint8_t*>(buffer.data()), size, compressed.offset());
}

struct InflateStream::State {
  z_stream zlib{};
  std::uint64_t given = 0;  ///< compressed bytes that zlib was shown
  bool ended = false;

  [[nodiscard]] std::uint64_t consumed() const { return given - zlib.avail_in; }
};

InflateStream::InflateStream(ByteView compressed, std::uint64_t size)
    : compressed_(compressed), size_(size), state_(std::make_unique<State>()) {
  constexpr int kRawDeflate = -MAX_WBITS;
  if (inflateInit2(&state_->zlib, kRawDeflate) != Z_OK) throw std::bad_alloc();
}

InflateStream::~InflateStream() { inflateEnd(&state_->zlib); }

bool InflateStream::broken(std::string why) {
  const std::uint64_t at = compressed_.offset() + state_->consumed();
  error_ = Error{ErrorCode::kZipBadDeflate, at,
                 fmt::format("{} at byte {}, after {} of {} bytes", why, at, end_, size_)};
  return false;
}

/// Fills `to` as far as the stream goes; how far, or that the stream is broken.
std::optional<std::uint64_t> InflateStream::inflate_into(std::uint8_t* to, std::uint64_t size) {
  z_stream& zlib = state_->zlib;
  zlib.next_out = to;
  zlib.avail_out = static_cast<uInt>(size);
  while (zlib.avail_out > 0 && !state_->ended) {
    if (zlib.avail_in == 0) {
      const std::uint64_t more = std::min(compressed_.size() - state_->given, kMostInput);
      zlib.next_in = const_cast<Bytef*>(compressed_.data() + state_->given);  // NOLINT: zlib's type
      zlib.avail_in = static_cast<uInt>(more);
      state_->given += more;
    }
    // Without input too: zlib holds bits of the byte before, in which the stream may end.
    const int result = inflate(&zlib, Z_NO_FLUSH);
    state_->ended = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result == Z_BUF_ERROR && state_->given == compressed_.size()) break;  // it wants more
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return std::nullopt;
  }
  return size - zlib.avail_out;
}

/// The next window, which ends where the stream does. False when there is nothing more, with an error
/// unless it is the end of the promised bytes.
bool InflateStream::refill() {
  if (error_ || end_ == size_) return false;
  if (window_.empty()) window_.resize(static_cast<std::size_t>(std::min(size_, kWindowBytes)));
  const std::uint64_t wanted = std::min<std::uint64_t>(size_ - end_, window_.size());
  begin_ = end_;
  const std::optional<std::uint64_t> written = inflate_into(window_.data(), wanted);
  if (!written) return broken("the deflated stream is broken");
  end_ += *written;
  if (*written < wanted) {
    broken(state_->ended ? "the deflated stream ends" : "the deflated bytes end");
  }
  return *written > 0;
}

bool InflateStream::read_on(std::uint64_t at, std::uint64_t size, std::uint8_t* to) {
  assert(at >= begin_);
  while (size > 0) {
    if (at >= end_) {
      if (!refill()) return false;
      continue;
    }
    const std::uint64_t part = std::min(size, end_ - at);
    std::memcpy(to, window_.data() + (at - begin_), part);
    at += part;
    to += part;
    size -= part;
  }
  return true;
}

Result<ByteView> InflateStream::next() {
  if (!refill()) {
    if (error_) return tl::unexpected<Error>(*error_);
    return ByteView(nullptr, 0, compressed_.offset());
  }
  return ByteView(window_.data(), end_ - begin_, compressed_.offset());
}

/// Behind the promised bytes: the stream must end, and with it what is compressed.
bool InflateStream::check_end() {
  std::uint8_t surplus = 0;
  const std::optional<std::uint64_t> written = inflate_into(&surplus, 1);
  if (!written) return broken("the deflated stream is broken");
  if (*written > 0) return broken("the deflated stream goes on");
  if (!state_->ended) return broken("the deflated bytes end without the end of the stream");
  const std::uint64_t left = compressed_.size() - state_->consumed();
  return left == 0 || broken(fmt::format("{} bytes follow the deflated stream", left));
}

Result<void> InflateStream::finish() {
  while (refill()) {
  }
  if (error_ || !check_end()) return tl::unexpected<Error>(*error_);
  return {};
}

}  // namespace torchvet
