#include "values/tensor_pass.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "values/byte_codes.h"

namespace torchvet {
namespace {

constexpr Quantities kOfNumbers = kMoments | kSums | kHistogram | kFingerprint;

/// What several kernels look at in turn: it stays in the first cache. Sums are added block by block
/// whatever else is asked, so that they do not depend on it.
constexpr std::uint64_t kBlockBytes = 32ull * 1024;
static_assert(kPieceBytes % kBlockBytes == 0);

double first_number(DType dtype, const std::uint8_t* bytes) {
  Numbers first;
  const std::uint64_t item = item_size(dtype);
  const std::uint64_t parts = numbers_per_element(dtype);
  if (item == 1 && parts > 1) return static_cast<double>(codes_of(dtype)[bytes[0] * parts].value);
  // The real part of a complex element is a number like any other.
  const DType part = dtype == DType::kComplex128  ? DType::kFloat64
                     : dtype == DType::kComplex64 ? DType::kFloat32
                     : dtype == DType::kComplex32 ? DType::kFloat16
                                                  : dtype;
  count_numbers(part, bytes, item_size(part), false, first);
  if (first.nan > 0) return std::numeric_limits<double>::quiet_NaN();
  if (first.positive_infinity > 0) return std::numeric_limits<double>::infinity();
  if (first.negative_infinity > 0) return -std::numeric_limits<double>::infinity();
  return first.min;
}

}  // namespace

Quantities TensorPass::unknowable(const Tensor& tensor) {
  Quantities none = 0;
  if (numbers_per_element(tensor.dtype) == 0) none |= kMoments | kSums | kHistogram;
  if (tensor.dtype != DType::kFloat32) none |= kFingerprint;
  if (!RowTest::make(tensor)) none |= kRows;
  return none;
}

TensorPass::TensorPass(const Tensor& tensor, Quantities quantities, TensorBytes bytes,
                       std::vector<double> bounds)
    : dtype_(tensor.dtype),
      quantities_(quantities),
      count_(tensor.element_count().value_or(0)),
      bytes_(std::move(bytes)),
      bounds_(std::move(bounds)) {
  if (counts_packed_numbers(dtype_)) {
    surplus_ = bytes_.size * numbers_per_element(dtype_) - count_;
  }
  if (wants(kSums | kHistogram)) quantities_ |= kMoments;
  if (wants(kDigest)) digester_.emplace();
  if (wants(kRows)) rows_ = RowTest::make(tensor);
  if (wants(kHistogram)) histogram_.emplace(dtype_);
  if (wants(kFingerprint)) fingerprint_.emplace(count_, bounds_);
}

/// The numbers of the last byte that belong to the tensor.
std::vector<float> TensorPass::last_numbers(std::uint8_t byte) const {
  const std::uint64_t parts = numbers_per_element(dtype_);
  std::vector<float> numbers;
  for (std::uint64_t part = 0; part < parts - surplus_; ++part) {
    numbers.push_back(codes_of(dtype_)[byte * parts + part].value);
  }
  return numbers;
}

void TensorPass::look_at(Piece& piece) const {
  if (bytes_.streamed) {
    piece.bytes = piece.scratch.data();
  } else {
    if (bytes_.logical.gathers()) piece.scratch.resize(kPieceBytes);
    piece.bytes = bytes_.logical.read(piece.at, piece.size, piece.scratch.data());
  }
  piece.numbers = {};
  piece.histogram.reset();
  piece.fingerprint.reset();
  if (wants(kHistogram)) piece.histogram.emplace(dtype_);
  if (wants(kFingerprint)) piece.fingerprint.emplace(count_, bounds_);
  const bool cut = piece.last && surplus_ > 0;
  const std::uint64_t whole = cut ? piece.size - 1 : piece.size;
  if (wants(kOfNumbers)) {
    for (std::uint64_t at = 0; at < whole; at += kBlockBytes) {
      const std::uint64_t size = std::min(kBlockBytes, whole - at);
      count_numbers(dtype_, piece.bytes + at, size, wants(kSums | kFingerprint), piece.numbers);
      if (piece.fingerprint) piece.fingerprint->update(piece.bytes + at, size);
    }
  }
  if (piece.histogram) count_magnitudes(dtype_, piece.bytes, whole, *piece.histogram);
  if (!cut) return;
  const std::vector<float> last = last_numbers(piece.bytes[whole]);
  const std::uint8_t* bytes = reinterpret_cast<const std::uint8_t*>(last.data());
  const std::uint64_t size = last.size() * sizeof(float);
  if (wants(kOfNumbers)) {
    count_numbers(DType::kFloat32, bytes, size, wants(kSums), piece.numbers);
  }
  if (piece.histogram) count_magnitudes(DType::kFloat32, bytes, size, *piece.histogram);
}

void TensorPass::take(const Piece& piece) {
  if (piece.at == 0 && piece.size > 0 && wants(kMoments))
    first_ = first_number(dtype_, piece.bytes);
  numbers_.merge(piece.numbers);
  if (histogram_) histogram_->merge(*piece.histogram);
  if (fingerprint_) fingerprint_->merge(*piece.fingerprint);
  if (digester_) digester_->update(piece.bytes, piece.size);
  if (rows_) rows_->update(piece.bytes, piece.size);
}

ValueFacts TensorPass::finish() {
  ValueFacts facts;
  facts.computed = quantities_;
  facts.count = count_;
  if (digester_) facts.digest = digester_->finish();
  if (wants(kMoments)) {
    numbers_.finish(facts);
    facts.first = first_;
  }
  if (!wants(kSums)) facts.sum = facts.sum_of_squares = 0;
  if (histogram_) facts.histogram = histogram_->finish();
  if (fingerprint_) facts.fingerprint = fingerprint_->finish(numbers_);
  if (rows_) rows_->finish(facts);
  return facts;
}

}  // namespace torchvet
