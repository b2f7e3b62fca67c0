#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/digest.h"
#include "model/tensor.h"
#include "model/value_facts.h"

namespace torchvet {

/// Rows of which the digests are kept, 16 bytes each, to count the different ones. Of a tensor with
/// more rows only whether all of them are equal is told.
inline constexpr std::uint64_t kMaxDistinctRows = 1ull << 20;

/// Dead and repeated rows of one tensor. A row is everything behind one index of the first
/// dimension.
class RowTest {
 public:
  /// Nothing for tensors that have no rows to compare: fewer than two dimensions, no elements, or
  /// elements that are not real numbers.
  [[nodiscard]] static std::unique_ptr<RowTest> make(const Tensor& tensor);

  /// Bytes of whole elements, little-endian, in logical order.
  void update(const std::uint8_t* bytes, std::uint64_t size);

  /// Fills the fields of kRows. To be called once, at the end.
  void finish(ValueFacts& facts);

 private:
  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  RowTest(const Tensor& tensor, std::uint64_t row_bytes);
  [[nodiscard]] bool is_zero(const std::uint8_t* bytes, std::uint64_t size) const;
  void end_row(Digest digest);

  std::uint64_t rows_;
  std::uint64_t row_bytes_;
  std::uint64_t item_;
  std::uint8_t top_mask_ = 0xff;  ///< of an element's highest byte: what must be 0 in a zero
  bool has_zero_ = true;          ///< the type has a zero

  std::unique_ptr<XXH3_state_t, FreeState> partial_;  ///< of a row that several blocks share
  std::uint64_t partial_bytes_ = 0;
  bool partial_zero_ = true;

  std::uint64_t ended_ = 0;
  std::uint64_t zero_rows_ = 0;
  bool all_same_ = true;
  Digest first_;
  std::vector<Digest> digests_;
};

}  // namespace torchvet
