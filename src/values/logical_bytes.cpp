// Walking a strided tensor.
//
// A tensor is a window: element (i, j, ...) lies at offset + i * stride_0 + j * stride_1 + ... of
// its storage. Dimensions that step through memory as one are first merged (a contiguous tensor of
// any rank becomes one run), sizes of 1 are dropped. What is left is a short list of runs: the last
// dimension is copied in a tight loop and an odometer counts through the others. It can be set to
// any element, so that parts are gathered independently. A tensor that names one element a billion
// times costs time, never memory; the caller bounds the time.
#include "values/logical_bytes.h"

#include <algorithm>
#include <cstring>

#include "core/checked.h"

namespace torchvet {
namespace {

/// Bytes of one number inside an element: half of a complex element, all of any other.
std::uint64_t component_size(DType dtype) {
  switch (dtype) {
    case DType::kComplex32:
    case DType::kComplex64:
    case DType::kComplex128:
      return item_size(dtype) / 2;
    default:
      return item_size(dtype);
  }
}

bool has_sign_bit(DType dtype) {
  return is_floating_point(dtype) || component_size(dtype) != item_size(dtype);
}

template <std::uint64_t kItem>
void copy_strided(const std::uint8_t* from, std::uint64_t stride, std::uint64_t count,
                  std::uint8_t* to) {
  for (std::uint64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * kItem, from + i * stride * kItem, kItem);
  }
}

void copy_run(const std::uint8_t* from, std::uint64_t stride, std::uint64_t count,
              std::uint64_t item, std::uint8_t* to) {
  if (stride == 1) {
    std::memcpy(to, from, count * item);
    return;
  }
  switch (item) {
    case 1:
      return copy_strided<1>(from, stride, count, to);
    case 2:
      return copy_strided<2>(from, stride, count, to);
    case 4:
      return copy_strided<4>(from, stride, count, to);
    case 8:
      return copy_strided<8>(from, stride, count, to);
    default:
      return copy_strided<16>(from, stride, count, to);
  }
}

}  // namespace

bool counts_packed_numbers(DType dtype) {
  return dtype == DType::kQuint4x2 || dtype == DType::kQuint2x4;
}

std::optional<Tensor> as_bytes_lie(const Tensor& tensor) {
  if (!counts_packed_numbers(tensor.dtype)) return tensor;
  const std::int64_t parts = tensor.dtype == DType::kQuint4x2 ? 2 : 4;
  const std::optional<std::uint64_t> count = tensor.element_count();
  if (!count || *count > INT64_MAX - 4 || tensor.shape.size() != tensor.strides.size() ||
      tensor.storage_offset % parts != 0) {
    return std::nullopt;
  }
  std::int64_t stride = 1;
  for (std::size_t i = tensor.shape.size(); *count > 0 && i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != stride) return std::nullopt;
    stride *= tensor.shape[i];
  }
  Tensor bytes = tensor;
  bytes.shape = {(static_cast<std::int64_t>(*count) + parts - 1) / parts};
  bytes.strides = {1};
  bytes.storage_offset /= parts;
  return bytes;
}

std::vector<LogicalBytes::Dimension> LogicalBytes::merged_dimensions(const Tensor& tensor) {
  std::vector<Dimension> merged;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const Dimension next{static_cast<std::uint64_t>(tensor.shape[i]),
                         static_cast<std::uint64_t>(tensor.strides[i])};
    if (next.size == 1) continue;
    if (!merged.empty() && merged.back().stride == next.size * next.stride) {
      merged.back() = {merged.back().size * next.size, next.stride};
    } else {
      merged.push_back(next);
    }
  }
  if (merged.empty()) merged.push_back({});
  return merged;
}

std::optional<StorageSpan> span_of(const Tensor& tensor) {
  const std::uint64_t item = item_size(tensor.dtype);
  const std::optional<std::uint64_t> reached = tensor.elements_reached();
  const auto end = reached ? checked_mul(*reached, item) : reached;
  if (item == 0 || !end) return std::nullopt;
  if (*end == 0) return StorageSpan{};
  StorageSpan span{.begin = static_cast<std::uint64_t>(tensor.storage_offset) * item, .end = *end};
  std::uint64_t inner = 1;  // elements from the first to the last of the dimensions seen so far
  const std::vector<LogicalBytes::Dimension> dimensions = LogicalBytes::merged_dimensions(tensor);
  for (std::size_t d = dimensions.size(); d-- > 0;) {
    span.forward = span.forward && dimensions[d].stride >= inner;
    inner += (dimensions[d].size - 1) * dimensions[d].stride;
  }
  return span;
}

LogicalBytes::LogicalBytes(const Tensor& tensor, ByteView storage, bool big_endian)
    : item_(item_size(tensor.dtype)),
      component_(component_size(tensor.dtype)),
      count_(item_ == 0 ? 0 : tensor.element_count().value_or(0)),
      dimensions_(merged_dimensions(tensor)),
      storage_(storage.data()),
      begin_(static_cast<std::uint64_t>(tensor.storage_offset) * item_),
      swap_(big_endian && component_ > 1),
      negate_(tensor.negative),
      conjugate_(tensor.conjugate && component_ != item_),
      floating_(has_sign_bit(tensor.dtype)),
      gathers_(dimensions_.size() > 1 || dimensions_.back().stride != 1 || swap_ || negate_ ||
               conjugate_) {}

const std::uint8_t* LogicalBytes::read(std::uint64_t at, std::uint64_t size,
                                       std::uint8_t* scratch) const {
  static constexpr std::uint8_t kNothing = 0;
  if (size == 0) return &kNothing;
  if (!gathers_) return storage_ + begin_ + at;
  gather(at / item_, size / item_, scratch);
  if (swap_ || negate_ || conjugate_) adjust(scratch, size);
  return scratch;
}

/// Calls `take(element, stride, count)` for one run of evenly spaced elements after the other, until
/// it returns false. Elements are counted from the first one of the tensor.
template <typename Take>
void LogicalBytes::for_each_run(std::uint64_t first, std::uint64_t count, const Take& take) const {
  const Dimension run = dimensions_.back();
  std::vector<std::uint64_t> odometer(dimensions_.size() - 1, 0);
  std::uint64_t row = 0;  // element offset of the current run
  std::uint64_t runs = first / run.size;
  for (std::size_t d = odometer.size(); d-- > 0;) {
    odometer[d] = runs % dimensions_[d].size;
    runs /= dimensions_[d].size;
    row += odometer[d] * dimensions_[d].stride;
  }
  std::uint64_t in_run = first % run.size;
  while (count > 0) {
    const std::uint64_t part = std::min(run.size - in_run, count);
    if (!take(row + in_run * run.stride, run.stride, part)) return;
    count -= part;
    in_run = 0;
    for (std::size_t d = odometer.size(); d-- > 0;) {
      row += dimensions_[d].stride;
      if (++odometer[d] < dimensions_[d].size) break;
      row -= dimensions_[d].size * dimensions_[d].stride;
      odometer[d] = 0;
    }
  }
}

void LogicalBytes::gather(std::uint64_t first, std::uint64_t count, std::uint8_t* to) const {
  const std::uint8_t* base = storage_ + begin_;
  for_each_run(first, count, [&](std::uint64_t element, std::uint64_t stride, std::uint64_t part) {
    copy_run(base + element * item_, stride, part, item_, to);
    to += part * item_;
    return true;
  });
}

bool LogicalBytes::read(InflateStream& stream, std::uint64_t at, std::uint64_t size,
                        std::uint8_t* to) const {
  if (size == 0) return true;
  std::uint8_t* next = to;
  bool whole = true;
  for_each_run(at / item_, size / item_,
               [&](std::uint64_t element, std::uint64_t stride, std::uint64_t count) {
                 const std::uint64_t begin = begin_ + element * item_;
                 if (stride == 1) {
                   whole = stream.read(begin, count * item_, next);
                   next += count * item_;
                   return whole;
                 }
                 for (std::uint64_t i = 0; whole && i < count; ++i, next += item_) {
                   whole = stream.read(begin + i * stride * item_, item_, next);
                 }
                 return whole;
               });
  if (whole && (swap_ || negate_ || conjugate_)) adjust(to, size);
  return whole;
}

void LogicalBytes::adjust(std::uint8_t* bytes, std::uint64_t size) const {
  for (std::uint64_t at = 0; at < size; at += component_) {
    if (swap_) std::reverse(bytes + at, bytes + at + component_);
    const bool imaginary = component_ != item_ && at % item_ != 0;
    if (negate_ != (conjugate_ && imaginary)) negate(bytes + at);
  }
}

void LogicalBytes::negate(std::uint8_t* number) const {
  if (floating_) {
    number[component_ - 1] ^= 0x80;
    return;
  }
  // Two's complement, as torch negates integers: invert and add one, lowest byte first.
  unsigned carry = 1;
  for (std::uint64_t i = 0; i < component_; ++i) {
    carry += static_cast<std::uint8_t>(~number[i]);
    number[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
}

}  // namespace torchvet
