// Walking a strided tensor.
//
// A tensor is a window: element (i, j, ...) lies at offset + i * stride_0 + j * stride_1 + ... of
// its storage. Dimensions that step through memory as one are first merged (a contiguous tensor of
// any rank becomes one run), sizes of 1 are dropped. What is left is a short list of runs: the last
// dimension is copied in a tight loop and an odometer counts through the others. The scratch buffer
// holds one block, so a tensor that names one element a billion times costs time, never memory; the
// caller bounds the time.
#include "values/logical_bytes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace torchvet {
namespace {

struct Dimension {
  std::uint64_t size = 1;
  std::uint64_t stride = 1;  ///< in elements
};

/// The dimensions that matter, outermost first; never empty.
std::vector<Dimension> merged_dimensions(const Tensor& tensor) {
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

/// Brings gathered bytes to the values the tensor stands for: byte order, conjugate, negative.
class Adjustment {
 public:
  Adjustment(const Tensor& tensor, bool big_endian)
      : component_(component_size(tensor.dtype)),
        item_(item_size(tensor.dtype)),
        swap_(big_endian && component_ > 1),
        negate_(tensor.negative),
        conjugate_(tensor.conjugate && component_ != item_),
        floating_(has_sign_bit(tensor.dtype)) {}

  [[nodiscard]] bool needed() const { return swap_ || negate_ || conjugate_; }

  void apply(std::uint8_t* bytes, std::uint64_t size) const {
    for (std::uint64_t at = 0; at < size; at += component_) {
      if (swap_) std::reverse(bytes + at, bytes + at + component_);
      const bool imaginary = component_ != item_ && at % item_ != 0;
      if (negate_ != (conjugate_ && imaginary)) negate(bytes + at);
    }
  }

 private:
  void negate(std::uint8_t* number) const {
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

  std::uint64_t component_;
  std::uint64_t item_;
  bool swap_;
  bool negate_;
  bool conjugate_;
  bool floating_;
};

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

void for_each_block(const Tensor& tensor, ByteView storage, bool big_endian,
                    const BlockSink& sink) {
  const std::uint64_t item = item_size(tensor.dtype);
  const std::uint64_t count = tensor.element_count().value_or(0);
  if (count == 0 || item == 0) return;
  const std::vector<Dimension> dimensions = merged_dimensions(tensor);
  const Dimension run = dimensions.back();
  const Adjustment adjustment(tensor, big_endian);
  const std::uint8_t* base =
      storage.data() + static_cast<std::uint64_t>(tensor.storage_offset) * item;

  if (dimensions.size() == 1 && run.stride == 1 && !adjustment.needed()) {
    for (std::uint64_t at = 0; at < count * item; at += kBlockBytes) {
      sink(base + at, std::min(kBlockBytes, count * item - at));
    }
    return;
  }

  std::array<std::uint8_t, kBlockBytes> block;
  std::uint64_t filled = 0;
  const auto flush = [&] {
    if (adjustment.needed()) adjustment.apply(block.data(), filled);
    sink(block.data(), filled);
    filled = 0;
  };
  std::vector<std::uint64_t> odometer(dimensions.size() - 1, 0);
  std::uint64_t row = 0;  // element offset of the current run
  for (std::uint64_t done = 0; done < count; done += run.size) {
    for (std::uint64_t at = 0; at < run.size;) {
      const std::uint64_t part = std::min(run.size - at, (kBlockBytes - filled) / item);
      copy_run(base + (row + at * run.stride) * item, run.stride, part, item,
               block.data() + filled);
      filled += part * item;
      at += part;
      if (filled == kBlockBytes) flush();
    }
    for (std::size_t d = odometer.size(); d-- > 0;) {
      row += dimensions[d].stride;
      if (++odometer[d] < dimensions[d].size) break;
      row -= dimensions[d].size * dimensions[d].stride;
      odometer[d] = 0;
    }
  }
  if (filled > 0) flush();
}

}  // namespace torchvet
