// Rows are compared by the 128-bit digest of their bytes: two rows are the same when every element
// has the same bits. Rows of zeros are one exception, they are the same row whatever the signs of
// their zeros, so that "different rows that are not dead" is a difference of two counts.
#include "values/rows.h"

#include <algorithm>

#include "core/checked.h"

namespace torchvet {
namespace {

/// Elements that are one real number each, not raw bits, parts of it or several packed into it.
bool has_real_elements(DType dtype) {
  switch (dtype) {
    case DType::kUnknown:
    case DType::kComplex32:
    case DType::kComplex64:
    case DType::kComplex128:
    case DType::kQint8:
    case DType::kQuint8:
    case DType::kQint32:
    case DType::kQuint4x2:
    case DType::kQuint2x4:
    case DType::kFloat4E2m1fnX2:
    case DType::kBits8:
    case DType::kBits16:
    case DType::kBits1x8:
    case DType::kBits2x4:
    case DType::kBits4x2:
      return false;
    default:
      return true;
  }
}

Digest digest_of(XXH128_hash_t hash) { return {hash.low64, hash.high64}; }

}  // namespace

std::unique_ptr<RowTest> RowTest::make(const Tensor& tensor) {
  if (tensor.shape.size() < 2 || !has_real_elements(tensor.dtype)) return nullptr;
  const std::optional<std::uint64_t> count = tensor.element_count();
  if (!count || *count == 0) return nullptr;
  const std::uint64_t row = *count / static_cast<std::uint64_t>(tensor.shape[0]);
  const std::optional<std::uint64_t> bytes = checked_mul(row, item_size(tensor.dtype));
  if (!bytes) return nullptr;
  return std::unique_ptr<RowTest>(new RowTest(tensor, *bytes));
}

RowTest::RowTest(const Tensor& tensor, std::uint64_t row_bytes)
    : rows_(static_cast<std::uint64_t>(tensor.shape[0])),
      row_bytes_(row_bytes),
      item_(item_size(tensor.dtype)),
      partial_(XXH3_createState()) {
  switch (tensor.dtype) {
    case DType::kFloat8E8m0fnu:  // powers of two only
      has_zero_ = false;
      break;
    case DType::kFloat8E4m3fnuz:  // the sign alone means NaN
    case DType::kFloat8E5m2fnuz:
      break;
    default:
      if (is_floating_point(tensor.dtype)) top_mask_ = 0x7f;
  }
  XXH3_128bits_reset(partial_.get());
}

bool RowTest::is_zero(const std::uint8_t* bytes, std::uint64_t size) const {
  if (!has_zero_) return false;
  for (std::uint64_t at = 0; at < size; at += item_) {
    std::uint8_t bits = bytes[at + item_ - 1] & top_mask_;
    for (std::uint64_t i = 0; i + 1 < item_; ++i) bits |= bytes[at + i];
    if (bits != 0) return false;
  }
  return true;
}

void RowTest::end_row(Digest digest) {
  if (ended_++ == 0) first_ = digest;
  all_same_ = all_same_ && digest == first_;
  if (rows_ <= kMaxDistinctRows) digests_.push_back(digest);
}

void RowTest::update(const std::uint8_t* bytes, std::uint64_t size) {
  constexpr Digest kZeroRow{};
  while (size > 0) {
    if (partial_bytes_ == 0 && size >= row_bytes_) {
      const bool zero = is_zero(bytes, row_bytes_);
      if (zero) ++zero_rows_;
      end_row(zero ? kZeroRow : digest_of(XXH3_128bits(bytes, row_bytes_)));
      bytes += row_bytes_;
      size -= row_bytes_;
      continue;
    }
    const std::uint64_t part = std::min(size, row_bytes_ - partial_bytes_);
    XXH3_128bits_update(partial_.get(), bytes, part);
    partial_zero_ = partial_zero_ && is_zero(bytes, part);
    partial_bytes_ += part;
    bytes += part;
    size -= part;
    if (partial_bytes_ < row_bytes_) continue;
    if (partial_zero_) ++zero_rows_;
    end_row(partial_zero_ ? kZeroRow : digest_of(XXH3_128bits_digest(partial_.get())));
    XXH3_128bits_reset(partial_.get());
    partial_bytes_ = 0;
    partial_zero_ = true;
  }
}

void RowTest::finish(ValueFacts& facts) {
  facts.rows = ended_;
  facts.zero_rows = zero_rows_;
  facts.all_rows_equal = all_same_;
  if (rows_ > kMaxDistinctRows) return;
  std::sort(digests_.begin(), digests_.end());
  const auto end = std::unique(digests_.begin(), digests_.end());
  facts.distinct_rows = static_cast<std::uint64_t>(end - digests_.begin());
}

}  // namespace torchvet
