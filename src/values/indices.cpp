// torch checks none of this when it loads (`check_sparse_tensor_invariants` is off by default), and
// its kernels trust the numbers: `to_dense` of a bad index reads or writes foreign memory. What holds
// is written in torch.sparse's documentation and in `_validate_sparse_*_tensor_args`:
//
//   COO        indices [sparse dimensions, count]: each at least 0 and below the size of its dimension
//   CSR, CSC   compressed [..., lines + 1]: begins at 0, ends at the count of a batch, and grows by at
//   BSR, BSC   most the size of the other dimension a step; plain [..., count]: each below that size.
//              Of blocks both dimensions count blocks.
//   nested     sizes and strides [batch, dimensions], offsets [batch]: each element inside the storage
//              of the buffer
#include "values/indices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "core/checked.h"
#include "values/tensor_bytes.h"

namespace torchvet {
namespace {

/// What is wrong with the indices; empty when nothing is. The error: why they cannot be read.
using Verdict = tl::expected<std::string, std::string>;

/// The tensor that a part of another one is; null when it is none.
const Tensor* part_of(const Artifact& artifact, const Tensor& tensor, std::string_view name) {
  for (const auto& [part, object] : tensor.parts) {
    const auto* reference = artifact.objects.as<Object::TensorRef>(object);
    if (part == name && reference != nullptr) return &artifact.tensors[reference->tensor];
  }
  return nullptr;
}

/// The integers of a tensor in row-major order.
class Integers {
 public:
  /// The error says why they cannot be read.
  [[nodiscard]] static tl::expected<Integers, std::string> open(TensorOpener& opener,
                                                                const Tensor& tensor,
                                                                const Storage& storage,
                                                                std::uint64_t& allowed) {
    if (tensor.dtype != DType::kInt64 && tensor.dtype != DType::kInt32) {
      return tl::unexpected<std::string>("its indices are no integers");
    }
    tl::expected<TensorBytes, std::string> bytes = opener.open(tensor);
    if (!bytes) return tl::unexpected(std::move(bytes.error()));
    // One that is deflated or lies in pieces may be put together as a whole.
    const bool whole = storage.compressed || !storage.pieces.empty();
    const auto cost = checked_add(bytes->size, whole ? storage.declared_bytes : 0);
    if (!cost || *cost > allowed) {
      return tl::unexpected<std::string>(
          "its indices name more bytes than a file of this size may (value-ratio)");
    }
    allowed -= *cost;
    return Integers(opener, std::move(*bytes), tensor.dtype == DType::kInt64);
  }

  [[nodiscard]] std::uint64_t left() const { return (bytes_.size - at_) / width_ + filled(); }
  /// Why the last number could not be read; empty when it could.
  [[nodiscard]] const std::string& error() const { return error_; }

  /// Precondition: there is one left. After an error, 0.
  [[nodiscard]] std::int64_t next() {
    if (begin_ == end_ && !fill()) return 0;
    std::int64_t number = 0;
    if (width_ == sizeof(number)) {
      std::memcpy(&number, from_ + begin_, sizeof(number));
    } else {
      std::int32_t narrow = 0;
      std::memcpy(&narrow, from_ + begin_, sizeof(narrow));
      number = narrow;
    }
    begin_ += width_;
    return number;
  }

 private:
  Integers(TensorOpener& opener, TensorBytes bytes, bool wide)
      : opener_(&opener), bytes_(std::move(bytes)), width_(wide ? 8 : 4) {}

  [[nodiscard]] std::uint64_t filled() const { return (end_ - begin_) / width_; }

  bool fill() {
    constexpr std::uint64_t kChunk = 1 << 16;
    const std::uint64_t size = std::min(kChunk, bytes_.size - at_);
    scratch_.resize(kChunk);
    if (bytes_.streamed) {
      auto read = opener_->read(bytes_, at_, size, scratch_.data());
      if (!read) {
        error_ = std::move(read.error());
        return false;
      }
      from_ = scratch_.data();
    } else {
      from_ = bytes_.logical.read(at_, size, scratch_.data());
    }
    at_ += size;
    begin_ = 0;
    end_ = size;
    return size > 0;
  }

  TensorOpener* opener_;
  TensorBytes bytes_;
  std::uint64_t width_;
  std::vector<std::uint8_t> scratch_;
  const std::uint8_t* from_ = nullptr;
  std::uint64_t at_ = 0, begin_ = 0, end_ = 0;
  std::string error_;
};

class IndexCheck {
 public:
  IndexCheck(Artifact& artifact, const Limits& limits, std::uint64_t allowed)
      : artifact_(artifact), limits_(limits), allowed_(allowed) {}

  Verdict judge(const Tensor& tensor) {
    if (tensor.layout == Layout::kNested) return nested(tensor);
    if (const Tensor* indices = part_of(artifact_, tensor, ".indices")) {
      return coordinates(tensor, *indices);
    }
    const Tensor* values = part_of(artifact_, tensor, ".values");
    if (values == nullptr) return tl::unexpected<std::string>("a part of it is no tensor");
    for (const auto& [compressed, plain, by_row] :
         {std::tuple(".crow_indices", ".col_indices", true),
          std::tuple(".ccol_indices", ".row_indices", false)}) {
      const Tensor* first = part_of(artifact_, tensor, compressed);
      const Tensor* second = part_of(artifact_, tensor, plain);
      if (first != nullptr && second != nullptr) {
        return lines(tensor, *first, *second, *values, by_row);
      }
    }
    return tl::unexpected<std::string>("a part of it is no tensor");
  }

 private:
  Verdict coordinates(const Tensor& tensor, const Tensor& indices) {
    if (indices.shape.size() != 2 || indices.shape[0] < 0 ||
        static_cast<std::uint64_t>(indices.shape[0]) > tensor.shape.size()) {
      return fmt::format("its indices have the shape [{}], for one of [{}]",
                         fmt::join(indices.shape, ", "), fmt::join(tensor.shape, ", "));
    }
    return with(indices, [&](Integers& numbers) -> Verdict {
      for (std::int64_t row = 0; row < indices.shape[0]; ++row) {
        const std::int64_t size = tensor.shape[static_cast<std::size_t>(row)];
        for (std::int64_t i = 0; i < indices.shape[1]; ++i) {
          const std::int64_t index = numbers.next();
          if (!numbers.error().empty()) return tl::unexpected(numbers.error());
          if (index < 0 || index >= size) {
            return fmt::format("index {} in dimension {}, which has the size {}", index, row, size);
          }
        }
      }
      return std::string();
    });
  }

  /// The compressed layouts. `by_row`: the compressed dimension is the one of rows.
  Verdict lines(const Tensor& tensor, const Tensor& compressed, const Tensor& plain,
                const Tensor& values, bool by_row) {
    const std::size_t batch = std::max<std::size_t>(compressed.shape.size(), 1) - 1;
    const bool blocks = values.shape.size() == tensor.shape.size() + 1;
    if (compressed.shape.empty() || plain.shape.size() != batch + 1 ||
        tensor.shape.size() < batch + 2 || (blocks && values.shape.size() < batch + 3)) {
      return std::string("its indices have the wrong number of dimensions");
    }
    std::int64_t line_count = tensor.shape[batch + (by_row ? 0 : 1)];
    std::int64_t line_size = tensor.shape[batch + (by_row ? 1 : 0)];
    if (blocks) {
      const std::int64_t height = values.shape[batch + 1], width = values.shape[batch + 2];
      if (height <= 0 || width <= 0) return std::string("its blocks are empty");
      line_count /= by_row ? height : width;
      line_size /= by_row ? width : height;
    }
    const std::int64_t count = plain.shape[batch];
    if (compressed.shape[batch] - 1 != line_count) {
      return fmt::format("{} begins of lines, of which there are {}", compressed.shape[batch],
                         line_count);
    }
    Verdict begins = with(compressed, [&](Integers& numbers) -> Verdict {
      while (numbers.left() > 0) {
        std::int64_t last = 0;
        for (std::int64_t line = 0; line <= line_count; ++line) {
          const std::int64_t begin = numbers.next();
          if (!numbers.error().empty()) return tl::unexpected(numbers.error());
          const bool fits = line == 0 ? begin == 0 : begin >= last && begin - last <= line_size;
          if (!fits || begin > count || (line == line_count && begin != count)) {
            return fmt::format(
                "line {} begins at element {} and the one before it at {}, of {} in lines of {}", line,
                begin, last, count, line_size);
          }
          last = begin;
        }
      }
      return std::string();
    });
    if (!begins || !begins->empty()) return begins;
    return with(plain, [&](Integers& numbers) -> Verdict {
      while (numbers.left() > 0) {
        const std::int64_t index = numbers.next();
        if (!numbers.error().empty()) return tl::unexpected(numbers.error());
        if (index < 0 || index >= line_size) {
          return fmt::format("index {} in a line of {}", index, line_size);
        }
      }
      return std::string();
    });
  }

  Verdict nested(const Tensor& tensor) {
    const Tensor* buffer = part_of(artifact_, tensor, ".buffer");
    const Tensor* sizes = part_of(artifact_, tensor, ".sizes");
    const Tensor* strides = part_of(artifact_, tensor, ".strides");
    const Tensor* offsets = part_of(artifact_, tensor, ".storage_offsets");
    if (buffer == nullptr || sizes == nullptr || strides == nullptr || offsets == nullptr) {
      return tl::unexpected<std::string>("a part of it is no tensor");
    }
    if (!buffer->storage) return tl::unexpected<std::string>("its buffer has no storage");
    if (sizes->shape != strides->shape || sizes->shape.size() != 2 ||
        offsets->shape != std::vector<std::int64_t>{sizes->shape[0]}) {
      return fmt::format("sizes [{}], strides [{}] and offsets [{}] do not fit",
                         fmt::join(sizes->shape, ", "), fmt::join(strides->shape, ", "),
                         fmt::join(offsets->shape, ", "));
    }
    const std::uint64_t stored = artifact_.storages[*buffer->storage].declared_bytes;
    const std::uint64_t available = stored / std::max<std::uint64_t>(item_size(buffer->dtype), 1);
    return with(*sizes, [&](Integers& size) {
      return with(*strides, [&](Integers& stride) {
        return with(*offsets, [&](Integers& offset) {
          return inside(size, stride, offset, sizes->shape[1], available);
        });
      });
    });
  }

  static Verdict inside(Integers& sizes, Integers& strides, Integers& offsets,
                        std::int64_t dimensions, std::uint64_t available) {
    for (std::uint64_t part = 0; offsets.left() > 0; ++part) {
      const std::int64_t offset = offsets.next();
      auto last = offset < 0 ? std::nullopt
                             : std::optional(static_cast<std::uint64_t>(offset));
      bool empty = false;
      for (std::int64_t i = 0; i < dimensions; ++i) {
        const std::int64_t size = sizes.next(), stride = strides.next();
        if (size < 0 || stride < 0) last.reset();
        empty = empty || size == 0;
        if (!last || size == 0) continue;
        const auto reach = checked_mul(static_cast<std::uint64_t>(size) - 1,
                                       static_cast<std::uint64_t>(stride));
        last = reach ? checked_add(*last, *reach) : std::nullopt;
      }
      for (const Integers* numbers : {&sizes, &strides, &offsets}) {
        if (!numbers->error().empty()) return tl::unexpected(numbers->error());
      }
      if (!last || (!empty && *last >= available)) {
        return fmt::format("tensor {} of it begins at {} and does not end inside a storage of {}",
                           part, offset, available);
      }
    }
    return std::string();
  }

  /// Each tensor has an opener of its own: several are read side by side.
  template <typename Judge>
  Verdict with(const Tensor& tensor, const Judge& judge) {
    if (const auto why = TensorOpener::without_storage(artifact_, tensor); !why.empty()) {
      return tl::unexpected(std::string(why));
    }
    TensorOpener opener(artifact_, limits_);
    tl::expected<Integers, std::string> numbers =
        Integers::open(opener, tensor, artifact_.storages[*tensor.storage], allowed_);
    Verdict verdict = numbers ? judge(*numbers) : Verdict(tl::unexpected(numbers.error()));
    opener.tell(artifact_);
    return verdict;
  }

  Artifact& artifact_;
  const Limits& limits_;
  std::uint64_t allowed_;  ///< bytes that may still be walked
};

}  // namespace

void check_indices(Artifact& artifact, const std::vector<TensorId>& tensors,
                   const Limits& limits) {
  if (tensors.empty()) return;
  std::uint64_t stored = 0;
  for (const Storage& storage : artifact.storages) stored += storage.stored_bytes();
  IndexCheck check(artifact, limits, allowed_bytes(stored, limits.value_ratio));
  for (const TensorId id : tensors) {
    Verdict verdict = check.judge(artifact.tensors[id]);
    if (!verdict) {
      artifact.add_gap("indices of " + artifact.tensors[id].object_path,
                       std::move(verdict.error()));
      continue;
    }
    ValueFacts facts = artifact.tensors[id].values.value_or(ValueFacts());
    facts.computed |= kIndices;
    facts.index_problem = std::move(*verdict);
    artifact.tensors[id].values = std::move(facts);
  }
}

}  // namespace torchvet
