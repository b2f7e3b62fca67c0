#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"

namespace torchvet {

/// Checks that `compressed` may hold the `size` bytes that a directory promises, before any of them
/// is inflated. Errors: kLimitExceeded (`Limits::inflate_ratio`).
[[nodiscard]] Result<void> check_inflated_size(ByteView compressed, std::uint64_t size,
                                               const Limits& limits);

/// Inflates a raw deflate stream (RFC 1951) into `buffer`, all of it at once: for what is small, or
/// must be held anyway. The view has the offset of the compressed bytes.
/// Errors: kLimitExceeded (`Limits::inflated_bytes`, ratio), kZipBadDeflate when the stream does not
/// inflate to exactly `size` bytes or does not end where `compressed` does. `buffer` is empty then.
[[nodiscard]] Result<ByteView> inflate_whole(ByteView compressed, std::uint64_t size,
                                             const Limits& limits, std::string& buffer);

/// The same stream read forward, in memory that does not depend on its size. Errors are as above,
/// each with the offset in the file at which the stream goes wrong; after one, reading fails again.
class InflateStream {
 public:
  /// `size`: of the inflated bytes, as the directory promises it.
  InflateStream(ByteView compressed, std::uint64_t size);
  ~InflateStream();
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;

  /// Bytes before this one cannot be read any more.
  [[nodiscard]] std::uint64_t position() const { return begin_; }
  /// How many bytes were inflated so far.
  [[nodiscard]] std::uint64_t inflated() const { return end_; }

  /// The inflated bytes from `at` on: false when they are not there, and `error` says why.
  /// Precondition: `at` is not before `position`, and `size` bytes are inside the promised ones.
  [[nodiscard]] bool read(std::uint64_t at, std::uint64_t size, std::uint8_t* to) {
    if (at - begin_ <= end_ - begin_ && size <= end_ - at) {
      std::memcpy(to, window_.data() + (at - begin_), size);
      return true;
    }
    return read_on(at, size, to);
  }

  /// The next bytes, at most a window of them, which stay until the next call; none at the end.
  [[nodiscard]] Result<ByteView> next();

  /// Inflates what is left and checks that the stream ends where its bytes and its size do.
  [[nodiscard]] Result<void> finish();

  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  struct State;

  [[nodiscard]] bool read_on(std::uint64_t at, std::uint64_t size, std::uint8_t* to);
  [[nodiscard]] std::optional<std::uint64_t> inflate_into(std::uint8_t* to, std::uint64_t size);
  bool refill();
  bool check_end();
  bool broken(std::string why);

  ByteView compressed_;
  std::uint64_t size_;
  std::unique_ptr<State> state_;
  std::vector<std::uint8_t> window_;
  std::uint64_t begin_ = 0, end_ = 0;  ///< what of the inflated bytes is in the window
  std::optional<Error> error_;
};

}  // namespace torchvet
