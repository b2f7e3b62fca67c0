#include "values/tensor_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/checked.h"
#include "core/inflate.h"
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

/// The storage that is open: its bytes, or those that it is inflated from while it is read.
struct TensorOpener::OpenStorage {
  std::string why_not;  ///< nothing of it is read; empty when it can be
  std::uint64_t size = 0;
  ByteView bytes;                           ///< in the file or held; empty when they are streamed
  std::shared_ptr<const std::string> held;  ///< put together, or inflated as a whole
  bool deflated = false;                    ///< and not held
  ByteView compressed;
  std::string member;
  std::unique_ptr<InflateStream> stream;
};

TensorOpener::TensorOpener(const Artifact& artifact, const Limits& limits)
    : artifact_(artifact),
      limits_(limits),
      inflated_left_(allowed_bytes(artifact.source.size, limits.value_ratio)) {}

TensorOpener::~TensorOpener() = default;

tl::expected<TensorBytes, std::string> TensorOpener::open(const Tensor& tensor) {
  if (const std::string_view why = without_storage(artifact_, tensor); !why.empty()) {
    return tl::unexpected(std::string(why));
  }
  const Storage& storage = artifact_.storages[*tensor.storage];
  if (opened_ != tensor.storage) {
    close();
    opened_ = tensor.storage;
    open_storage(storage);
  }
  if (!open_->why_not.empty()) return tl::unexpected(open_->why_not);
  const std::optional<Tensor> bytes = as_bytes_lie(tensor);
  const std::optional<StorageSpan> span = bytes ? span_of(*bytes) : std::nullopt;
  const std::optional<std::uint64_t> count = bytes ? bytes->element_count() : std::nullopt;
  if (!span || !count) {
    return tl::unexpected(std::string("its element type or its shape makes no sense"));
  }
  if (span->end > open_->size) {
    return tl::unexpected(
        fmt::format("it reaches {} bytes into a storage of {}", span->end, open_->size));
  }
  const bool empty = span->end == 0;
  if (open_->deflated && !empty) {
    std::string why = span->forward ? stream_from(*span) : hold();
    if (!why.empty()) return tl::unexpected(std::move(why));
  }
  return TensorBytes{
      .logical = LogicalBytes(*bytes, open_->bytes, storage.big_endian),
      .size = checked_mul(*count, item_size(tensor.dtype)).value_or(UINT64_MAX),
      .held = open_->held,
      .streamed = open_->deflated && !empty};
}

void TensorOpener::open_storage(const Storage& storage) {
  open_ = std::make_unique<OpenStorage>();
  if (!storage.present) {
    open_->why_not = kAbsent;
  } else if (!storage.pieces.empty()) {
    const auto joined = std::make_shared<std::string>();
    const Result<ByteView> bytes = join_pieces(storage, *joined);
    if (!bytes) return give_up(bytes.error());
    open_->bytes = *bytes;
    open_->held = joined;
  } else if (storage.compressed) {
    return open_deflated(storage);
  } else {
    open_->bytes = storage.bytes;
  }
  open_->size = open_->bytes.size();
}

void TensorOpener::open_deflated(const Storage& storage) {
  constexpr std::uint16_t kDeflated = 8;
  if (!storage.member || *storage.member >= artifact_.members.size()) {
    open_->why_not = "its compressed bytes belong to no archive member";
    return;
  }
  const Member& member = artifact_.members[*storage.member];
  if (member.method != kDeflated) {
    open_->why_not = fmt::format("it is compressed by method {}, not deflated", member.method);
    return;
  }
  const Result<void> sound = check_inflated_size(storage.bytes, member.size, limits_);
  if (!sound) return give_up(sound.error());
  open_->deflated = true;
  open_->compressed = storage.bytes;
  open_->member = member.name;
  open_->size = member.size;
}

/// Nothing more is read of the storage that is open.
void TensorOpener::give_up(const Error& error) {
  open_->why_not = error.detail;
  open_->deflated = false;
  open_->stream.reset();
  if (error.code == ErrorCode::kZipBadDeflate) faults_.push_back({error, open_->member});
}

/// To be asked before so much is inflated.
Result<void> TensorOpener::spend(std::uint64_t inflated) {
  if (inflated > inflated_left_) {
    return fail(ErrorCode::kLimitExceeded, open_->compressed.offset(),
                fmt::format("the deflated bytes at byte {} take more work than a file of this size "
                            "may (value-ratio)",
                            open_->compressed.offset()));
  }
  inflated_left_ -= inflated;
  return {};
}

/// Makes the stream one that can read these bytes. Why not; empty when it is.
std::string TensorOpener::stream_from(const StorageSpan& span) {
  const bool goes_on = open_->stream && open_->stream->position() <= span.begin;
  const std::uint64_t inflated = goes_on ? open_->stream->inflated() : 0;
  const Result<void> allowed = spend(span.end - std::min(span.end, inflated));
  if (!allowed) return allowed.error().detail;
  if (!goes_on) open_->stream = std::make_unique<InflateStream>(open_->compressed, open_->size);
  return "";
}

/// Inflates the whole storage. Why not; empty when it is held.
std::string TensorOpener::hold() {
  if (open_->size > limits_.inflated_bytes) {
    return fmt::format(
        "its elements lie in another order than the deflated bytes at byte {}, of which all {} "
        "would have to be held (inflated-bytes)",
        open_->compressed.offset(), open_->size);
  }
  const Result<void> allowed = spend(open_->size);
  if (!allowed) return allowed.error().detail;
  const auto buffer = std::make_shared<std::string>();
  const Result<ByteView> bytes = inflate_whole(open_->compressed, open_->size, limits_, *buffer);
  if (!bytes) {
    give_up(bytes.error());
    return open_->why_not;
  }
  open_->bytes = *bytes;
  open_->held = buffer;
  open_->deflated = false;
  return "";
}

tl::expected<void, std::string> TensorOpener::read(const TensorBytes& tensor, std::uint64_t at,
                                                   std::uint64_t size, std::uint8_t* to) {
  if (tensor.logical.read(*open_->stream, at, size, to)) return {};
  give_up(Error(open_->stream->error()));  // a copy: the stream goes
  return tl::unexpected(open_->why_not);
}

void TensorOpener::close() {
  if (open_ && open_->stream) {
    // What no tensor reaches is nobody's to tell of.
    Result<void> end = spend(open_->size - open_->stream->inflated());
    if (end) end = open_->stream->finish();
    if (!end) faults_.push_back({std::move(end.error()), open_->member});
  }
  open_.reset();
  opened_.reset();
}

void TensorOpener::tell(Artifact& artifact) {
  close();
  for (const Fault& fault : faults_) {
    const bool known = std::any_of(
        artifact.faults.begin(), artifact.faults.end(), [&](const Fault& other) {
          return other.member == fault.member && other.error.code == fault.error.code;
        });
    if (!known) artifact.add_fault(fault.member, fault.error);
  }
}

}  // namespace torchvet
