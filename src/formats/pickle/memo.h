#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/object.h"

namespace torchvet {

/// What PUT stored under its number. Writers count from 0, so a flat vector serves; a number far
/// ahead of the count goes into a map, so that a hostile PUT 4000000000 costs one entry and not 16
/// GB.
class Memo {
 public:
  /// How many numbers hold something: the number that MEMOIZE uses next.
  [[nodiscard]] std::uint64_t count() const { return count_; }

  void put(std::uint64_t index, ObjectId id) {
    if (index >= dense_.size() && index < 4 * (count_ + 256)) dense_.resize(index + 1, kNoObject);
    if (index >= dense_.size()) {
      count_ += sparse_.insert_or_assign(index, id).second ? 1 : 0;
      return;
    }
    const bool known = dense_[index] != kNoObject || (!sparse_.empty() && sparse_.erase(index) > 0);
    count_ += known ? 0 : 1;
    dense_[index] = id;
  }

  /// kNoObject when nothing was stored.
  [[nodiscard]] ObjectId get(std::uint64_t index) const {
    if (index < dense_.size() && dense_[index] != kNoObject) return dense_[index];
    if (sparse_.empty()) return kNoObject;
    const auto found = sparse_.find(index);
    return found == sparse_.end() ? kNoObject : found->second;
  }

 private:
  std::vector<ObjectId> dense_;
  std::unordered_map<std::uint64_t, ObjectId> sparse_;
  std::uint64_t count_ = 0;
};

}  // namespace torchvet
