#include "values/tensor_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/checked.h"
#include "values/inflate.h"
#include "values/pieces.h"

namespace torchvet {

View view_of(const Tensor& tensor) {
  return {tensor.storage, tensor.dtype,     tensor.storage_offset, tensor.shape,
          tensor.strides, tensor.conjugate, tensor.negative};
}

std::uint64_t allowed_bytes(std::uint64_t stored, std::uint64_t ratio) {
  constexpr std::uint64_t kFreeBytes = 256ull << 20;
  return std::max(checked_mul(stored, ratio).value_or(UINT64_MAX), kFreeBytes);
}

std::string_view TensorOpener::without_storage(const Artifact& artifact, const Tensor& tensor) {
  if (tensor.layout != Layout::kStrided) return "its layout is not strided";
  if (!tensor.storage || *tensor.storage >= artifact.storages.size()) return "it has no storage";
  return "";
}

tl::expected<TensorBytes, std::string> TensorOpener::open(const Tensor& tensor) {
  if (const std::string_view why = without_storage(artifact_, tensor); !why.empty()) {
    return tl::unexpected(std::string(why));
  }
  const Storage& storage = artifact_.storages[*tensor.storage];
  if (opened_ != tensor.storage) {
    opened_ = tensor.storage;
    open_ = open_storage(storage);
  }
  if (!open_) return tl::unexpected(open_.error().detail);
  const std::uint64_t item = item_size(tensor.dtype);
  const std::optional<Tensor> bytes = as_bytes_lie(tensor);
  const std::optional<std::uint64_t> reached = bytes ? bytes->elements_reached() : std::nullopt;
  const std::optional<std::uint64_t> needed = reached ? checked_mul(*reached, item) : reached;
  const std::optional<std::uint64_t> count = bytes ? bytes->element_count() : std::nullopt;
  if (item == 0 || !needed || !count) {
    return tl::unexpected(std::string("its element type or its shape makes no sense"));
  }
  if (*needed > open_->size()) {
    return tl::unexpected(
        fmt::format("it reaches {} bytes into a storage of {}", *needed, open_->size()));
  }
  return TensorBytes{.logical = LogicalBytes(*bytes, *open_, storage.big_endian),
                     .size = checked_mul(*count, item).value_or(UINT64_MAX),
                     .inflated = inflated_};
}

Result<ByteView> TensorOpener::open_storage(const Storage& storage) {
  inflated_.reset();
  if (!storage.present) {
    return fail(ErrorCode::kStorageMissing, 0, "the file does not hold its bytes");
  }
  if (!storage.pieces.empty()) {
    const auto joined = std::make_shared<std::string>();
    inflated_ = joined;
    return join_pieces(storage, *joined);
  }
  if (!storage.compressed) return storage.bytes;
  if (!storage.member || *storage.member >= artifact_.members.size()) {
    return fail(ErrorCode::kStorageBadReference, storage.bytes.offset(),
                "its compressed bytes belong to no archive member");
  }
  const auto buffer = std::make_shared<std::string>();
  inflated_ = buffer;
  return inflate_member(storage.bytes, artifact_.members[*storage.member], limits_, *buffer);
}

}  // namespace torchvet
