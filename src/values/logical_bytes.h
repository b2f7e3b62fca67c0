#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/inflate.h"
#include "model/tensor.h"

namespace torchvet {

/// Whether shape and strides count the numbers packed into bytes: true for quint4x2 and quint2x4,
/// where torch packs all numbers of a tensor as one row.
[[nodiscard]] bool counts_packed_numbers(DType dtype);

/// The bytes of a tensor as elements of `item_size` bytes each: `tensor` itself, or, of a type that
/// counts packed numbers, one dimension of bytes. Nothing when such a tensor is not contiguous or
/// begins inside a byte, which torch cannot make.
[[nodiscard]] std::optional<Tensor> as_bytes_lie(const Tensor& tensor);

/// The bytes of a storage that a tensor reaches, half open.
struct StorageSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  /// In logical order each element lies behind the one before: true of slices and steps, not of what
  /// is transposed, expanded or overlaps itself.
  bool forward = true;
};

/// Of a tensor whose bytes lie as its shape says (`as_bytes_lie`). Nothing when its numbers make no
/// sense.
[[nodiscard]] std::optional<StorageSpan> span_of(const Tensor& tensor);

/// The values of a strided tensor in logical (row-major) order: the bytes, little-endian, that
/// `tensor.resolve_conj().resolve_neg().contiguous()` would have in memory. Any part of them can be
/// read, from several threads at once.
class LogicalBytes {
 public:
  /// Preconditions: `elements_reached()` has a value, and that many elements lie inside `storage`,
  /// or `storage` is empty and all is read from a stream.
  LogicalBytes(const Tensor& tensor, ByteView storage, bool big_endian);

  [[nodiscard]] std::uint64_t size() const { return count_ * item_; }

  /// The bytes of whole elements. They lie in the storage, maybe unaligned, or are gathered into
  /// `scratch`, which has room for `size`.
  [[nodiscard]] const std::uint8_t* read(std::uint64_t at, std::uint64_t size,
                                         std::uint8_t* scratch) const;
  /// The same out of a stream that inflates the storage, for parts in ascending order of a tensor
  /// whose elements lie forward. False when the stream fails, which then says why.
  [[nodiscard]] bool read(InflateStream& stream, std::uint64_t at, std::uint64_t size,
                          std::uint8_t* to) const;
  /// Whether `read` from memory gathers.
  [[nodiscard]] bool gathers() const { return gathers_; }

 private:
  struct Dimension {
    std::uint64_t size = 1;
    std::uint64_t stride = 1;  ///< in elements
  };

  friend std::optional<StorageSpan> span_of(const Tensor& tensor);
  static std::vector<Dimension> merged_dimensions(const Tensor& tensor);
  template <typename Take>
  void for_each_run(std::uint64_t first, std::uint64_t count, const Take& take) const;
  void gather(std::uint64_t first, std::uint64_t count, std::uint8_t* to) const;
  void adjust(std::uint8_t* bytes, std::uint64_t size) const;
  void negate(std::uint8_t* number) const;

  std::uint64_t item_;
  std::uint64_t component_;  ///< bytes of one number inside an element
  std::uint64_t count_;
  std::vector<Dimension> dimensions_;  ///< those that matter, outermost first; never empty
  const std::uint8_t* storage_;
  std::uint64_t begin_;  ///< byte of the storage at which the first element lies
  bool swap_;
  bool negate_;
  bool conjugate_;
  bool floating_;
  bool gathers_;
};

}  // namespace torchvet
