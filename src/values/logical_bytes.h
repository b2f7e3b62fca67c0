#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bytes.h"
#include "model/tensor.h"

namespace torchvet {

/// Whether shape and strides count the numbers packed into bytes: true for quint4x2 and quint2x4,
/// where torch packs all numbers of a tensor as one row.
[[nodiscard]] bool counts_packed_numbers(DType dtype);

/// The bytes of a tensor as elements of `item_size` bytes each: `tensor` itself, or, of a type that
/// counts packed numbers, one dimension of bytes. Nothing when such a tensor is not contiguous or
/// begins inside a byte, which torch cannot make.
[[nodiscard]] std::optional<Tensor> as_bytes_lie(const Tensor& tensor);

/// The values of a strided tensor in logical (row-major) order: the bytes, little-endian, that
/// `tensor.resolve_conj().resolve_neg().contiguous()` would have in memory. Any part of them can be
/// read, from several threads at once.
class LogicalBytes {
 public:
  /// Preconditions: `elements_reached()` has a value, and that many elements lie inside `storage`.
  LogicalBytes(const Tensor& tensor, ByteView storage, bool big_endian);

  [[nodiscard]] std::uint64_t size() const { return count_ * item_; }

  /// The bytes of whole elements. They lie in the storage, maybe unaligned, or are gathered into
  /// `scratch`, which has room for `size`.
  [[nodiscard]] const std::uint8_t* read(std::uint64_t at, std::uint64_t size,
                                         std::uint8_t* scratch) const;
  /// Whether `read` gathers.
  [[nodiscard]] bool gathers() const { return gathers_; }

 private:
  struct Dimension {
    std::uint64_t size = 1;
    std::uint64_t stride = 1;  ///< in elements
  };

  static std::vector<Dimension> merged_dimensions(const Tensor& tensor);
  void gather(std::uint64_t first, std::uint64_t count, std::uint8_t* to) const;
  void adjust(std::uint8_t* bytes, std::uint64_t size) const;
  void negate(std::uint8_t* number) const;

  std::uint64_t item_;
  std::uint64_t component_;  ///< bytes of one number inside an element
  std::uint64_t count_;
  std::vector<Dimension> dimensions_;  ///< those that matter, outermost first; never empty
  const std::uint8_t* base_;
  bool swap_;
  bool negate_;
  bool conjugate_;
  bool floating_;
  bool gathers_;
};

}  // namespace torchvet
