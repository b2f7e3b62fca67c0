#pragma once

#include <string>
#include <utility>

#include "model/artifact.h"

namespace torchvet {

/// Adds faults to an artifact up to a cap, so that a file with a million broken references does not
/// make a million faults. What goes beyond the cap leaves one gap.
class FaultList {
 public:
  FaultList(Artifact& artifact, std::string member)
      : artifact_(artifact), member_(std::move(member)) {}

  void add(ErrorCode code, std::uint64_t offset, std::string detail) {
    if (may_add()) artifact_.add_fault(member_, {code, offset, std::move(detail)});
  }
  /// A fault that left nothing unread.
  void add_contradiction(ErrorCode code, std::uint64_t offset, std::string detail) {
    if (may_add()) artifact_.add_contradiction(member_, {code, offset, std::move(detail)});
  }

 private:
  bool may_add() {
    if (added_ == kMost) {
      artifact_.add_gap(member_.empty() ? "file" : member_, "further faults are not listed");
    }
    return added_++ < kMost;
  }

  static constexpr int kMost = 100;
  Artifact& artifact_;
  std::string member_;
  std::uint64_t added_ = 0;
};

}  // namespace torchvet
