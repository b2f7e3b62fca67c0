#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "model/tensor.h"
#include "values/init_fingerprint.h"
#include "values/logical_bytes.h"
#include "values/numbers.h"
#include "values/rows.h"

namespace torchvet {

/// Bytes of a tensor that are looked at together: a multiple of 16 elements of any type, small
/// enough to stay in the second cache.
inline constexpr std::uint64_t kPieceBytes = 256ull * 1024;

class TensorPass;

/// A part of a tensor on its way through the pass, and what was found in it. Used again and again.
struct Piece {
  std::shared_ptr<TensorPass> tensor;
  TensorId id = 0;
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  bool last = false;  ///< of its tensor

  const std::uint8_t* bytes = nullptr;
  std::vector<std::uint8_t> scratch;
  Numbers numbers;
  std::optional<HistogramCounts> histogram;
  std::optional<InitFingerprintTest> fingerprint;
};

/// One tensor: looks at its pieces in any order and on any thread, and takes the results together
/// in the order of the pieces.
class TensorPass {
 public:
  /// Quantities that a type of element or a shape does not have.
  [[nodiscard]] static Quantities unknowable(const Tensor& tensor);

  /// `owner` keeps the bytes alive when they are not in the mapped file. Preconditions: those of
  /// `LogicalBytes`; `quantities` has nothing unknowable.
  TensorPass(const Tensor& tensor, Quantities quantities, ByteView storage, bool big_endian,
             std::vector<double> bounds, std::shared_ptr<const std::string> owner);

  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }

  /// Thread-safe.
  void look_at(Piece& piece) const;
  /// To be called for one piece after the other.
  void take(const Piece& piece);
  /// After the last piece.
  [[nodiscard]] ValueFacts finish();

 private:
  [[nodiscard]] bool wants(Quantities quantities) const { return (quantities_ & quantities) != 0; }
  [[nodiscard]] std::vector<float> last_numbers(std::uint8_t byte) const;

  DType dtype_;
  Quantities quantities_;
  std::uint64_t count_;
  LogicalBytes bytes_;
  std::vector<double> bounds_;
  std::shared_ptr<const std::string> owner_;
  std::uint64_t surplus_ = 0;  ///< numbers of a packed type that the last byte has too many

  double first_ = 0;
  Numbers numbers_;
  std::optional<Digester> digester_;
  std::unique_ptr<RowTest> rows_;
  std::optional<HistogramCounts> histogram_;
  std::optional<InitFingerprintTest> fingerprint_;
};

}  // namespace torchvet
