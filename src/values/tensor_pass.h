#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/digest.h"
#include "model/tensor.h"
#include "values/init_fingerprint.h"
#include "values/numbers.h"
#include "values/piece_pipeline.h"
#include "values/rows.h"
#include "values/tensor_bytes.h"

namespace torchvet {

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

  /// Precondition: `quantities` has nothing unknowable.
  TensorPass(const Tensor& tensor, Quantities quantities, TensorBytes bytes,
             std::vector<double> bounds);

  [[nodiscard]] const TensorBytes& bytes() const { return bytes_; }

  /// Thread-safe. What is streamed lies in the scratch already.
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
  TensorBytes bytes_;
  std::vector<double> bounds_;
  std::uint64_t surplus_ = 0;  ///< numbers of a packed type that the last byte has too many

  double first_ = 0;
  Numbers numbers_;
  std::optional<Digester> digester_;
  std::unique_ptr<RowTest> rows_;
  std::optional<HistogramCounts> histogram_;
  std::optional<InitFingerprintTest> fingerprint_;
};

}  // namespace torchvet
