#include "values/pieces.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/checked.h"

namespace torchvet {
namespace {

using Numbers = std::vector<std::int64_t>;

std::uint64_t count_of(const Numbers& sizes) {
  std::uint64_t count = 1;
  for (const std::int64_t size : sizes) {
    count = checked_mul(count, static_cast<std::uint64_t>(std::max<std::int64_t>(size, 0)))
                .value_or(UINT64_MAX);
  }
  return count;
}

/// Copies a box, the last axis in one go where its elements follow each other.
class BoxCopy {
 public:
  BoxCopy(const Storage::Piece& piece, const Numbers& shape, std::uint64_t item, std::string& to)
      : piece_(piece), item_(item), to_(to), at_(piece.sizes.size(), 0), steps_(shape.size(), 1) {
    for (std::size_t axis = shape.size(); axis-- > 1;) {
      steps_[axis - 1] = steps_[axis] * static_cast<std::uint64_t>(shape[axis]);
    }
  }

  /// False when the box reaches out of its bytes or of the whole.
  bool run() {
    if (piece_.sizes.empty()) return copy(1);
    const std::size_t last = piece_.sizes.size() - 1;
    const std::uint64_t row = static_cast<std::uint64_t>(piece_.sizes[last]);
    const bool together = piece_.strides[last] == 1 || row == 1;
    do {
      for (at_[last] = 0; at_[last] < (together ? 1 : piece_.sizes[last]); ++at_[last]) {
        if (!copy(together ? row : 1)) return false;
      }
    } while (next(last));
    return true;
  }

 private:
  bool copy(std::uint64_t elements) {
    std::uint64_t from = 0;
    std::uint64_t into = 0;
    for (std::size_t axis = 0; axis < at_.size(); ++axis) {
      from += static_cast<std::uint64_t>(at_[axis] * piece_.strides[axis]);
      into += static_cast<std::uint64_t>(at_[axis] + piece_.offsets[axis]) * steps_[axis];
    }
    const std::uint64_t bytes = elements * item_;
    const auto outside = [&](std::uint64_t begin, std::uint64_t size) {
      return begin > size / item_ || bytes > size - begin * item_;
    };
    if (outside(from, piece_.bytes.size()) || outside(into, to_.size())) return false;
    std::memcpy(to_.data() + into * item_, piece_.bytes.data() + from * item_, bytes);
    return true;
  }

  /// The next row of the box; false behind the last.
  bool next(std::size_t axis) {
    at_[axis] = 0;
    while (axis-- > 0) {
      if (++at_[axis] < piece_.sizes[axis]) return true;
      at_[axis] = 0;
    }
    return false;
  }

  const Storage::Piece& piece_;
  std::uint64_t item_;
  std::string& to_;
  Numbers at_;
  std::vector<std::uint64_t> steps_;
};

}  // namespace

Result<ByteView> join_pieces(const Storage& storage, std::string& buffer) {
  const std::uint64_t item = item_size(storage.dtype);
  const auto wrong = [&] {
    return fail(ErrorCode::kStorageBadReference, 0, "its pieces do not fill it");
  };
  std::uint64_t held = 0;
  for (const Storage::Piece& piece : storage.pieces) {
    const std::size_t axes = storage.pieces_shape.size();
    if (piece.sizes.size() != axes || piece.strides.size() != axes ||
        piece.offsets.size() != axes) {
      return wrong();
    }
    held = checked_add(held, count_of(piece.sizes)).value_or(UINT64_MAX);
  }
  // No more is allocated than the files hold: a stride of 0 would name one element any number of
  // times.
  const std::uint64_t count = count_of(storage.pieces_shape);
  const auto bytes = checked_mul(count, item);
  if (!bytes || *bytes != storage.declared_bytes || held != count ||
      *bytes > storage.stored_bytes()) {
    return wrong();
  }
  buffer.resize(*bytes);
  for (const Storage::Piece& piece : storage.pieces) {
    if (count_of(piece.sizes) == 0) continue;
    if (!BoxCopy(piece, storage.pieces_shape, item, buffer).run()) return wrong();
  }
  return ByteView(reinterpret_cast<const std::uint8_t*>(buffer.data()), buffer.size(), 0);
}

}  // namespace torchvet
