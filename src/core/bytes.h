#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace torchvet {

/// A half-open range of absolute byte offsets in the artifact's file.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// A read-only slice of a mapped file that knows where in that file it lies, so that whatever is
/// found in it can be named by absolute offset. It owns nothing: the `Source` must outlive it.
/// A slice of inflated bytes has the offset of the compressed member's data.
class ByteView {
 public:
  ByteView() = default;
  ByteView(const std::uint8_t* data, std::uint64_t size, std::uint64_t offset)
      : data_(data), size_(size), offset_(offset) {}

  [[nodiscard]] const std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Absolute offset of the first byte in the file.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] ByteRange range() const { return {offset_, size_}; }
  [[nodiscard]] std::uint8_t operator[](std::uint64_t i) const { return data_[i]; }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), static_cast<std::size_t>(size_)};
  }
  [[nodiscard]] bool starts_with(std::string_view prefix) const {
    return text().substr(0, prefix.size()) == prefix;
  }

  /// True when the bytes of the other view are among those of this one.
  [[nodiscard]] bool contains(const ByteView& other) const {
    constexpr std::less_equal<const std::uint8_t*> kNotAfter;
    return kNotAfter(data_, other.data_) && kNotAfter(other.data_ + other.size_, data_ + size_);
  }

  /// `length` bytes from `begin` (relative to this view).
  /// Errors: kTruncated when they are not all inside.
  [[nodiscard]] Result<ByteView> slice(std::uint64_t begin, std::uint64_t length) const {
    if (begin > size_ || length > size_ - begin) {
      return fail(ErrorCode::kTruncated, offset_ + (begin < size_ ? begin : size_),
                  "needs " + std::to_string(length) + " bytes, " +
                      std::to_string(begin < size_ ? size_ - begin : 0) + " are left");
    }
    return ByteView(data_ + begin, length, offset_ + begin);
  }

 private:
  const std::uint8_t* data_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
};

/// Bounded little-endian reads from a view. It never reads past the end and never throws; a read
/// that does not fit fails with kTruncated and leaves the position where it was.
class Cursor {
 public:
  explicit Cursor(ByteView view, std::uint64_t position = 0) : view_(view), position_(position) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }
  /// Absolute offset in the file of the next byte.
  [[nodiscard]] std::uint64_t offset() const { return view_.offset() + position_; }
  [[nodiscard]] std::uint64_t remaining() const {
    return position_ < view_.size() ? view_.size() - position_ : 0;
  }
  [[nodiscard]] bool at_end() const { return remaining() == 0; }

  /// An unsigned or signed integer of the size of `T`, little-endian, unaligned.
  template <typename T>
  [[nodiscard]] Result<T> read() {
    Result<ByteView> bytes = take(sizeof(T));
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    T value;
    std::memcpy(&value, bytes->data(), sizeof(T));
    return value;
  }

  /// The next `length` bytes, without copying.
  [[nodiscard]] Result<ByteView> take(std::uint64_t length) {
    Result<ByteView> bytes = view_.slice(position_, length);
    if (bytes) position_ += length;
    return bytes;
  }

  /// The bytes up to (not including) the next newline; the newline is consumed.
  [[nodiscard]] Result<std::string_view> read_line() {
    const std::string_view rest = view_.text().substr(static_cast<std::size_t>(position_));
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      return fail(ErrorCode::kTruncated, offset(), "a text line has no end");
    }
    position_ += end + 1;
    return rest.substr(0, end);
  }

 private:
  ByteView view_;
  std::uint64_t position_ = 0;
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "Cursor reads the formats' little-endian numbers as they lie in memory");

}  // namespace torchvet
