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
    if (added_ < kMost) {
      artifact_.add_fault(member_, {code, offset, std::move(detail)});
    } else if (added_ == kMost) {
      artifact_.add_gap(member_.empty() ? "file" : member_, "further faults are not listed");
    }
    ++added_;
  }

 private:
  static constexpr int kMost = 100;
  Artifact& artifact_;
  std::string member_;
  std::uint64_t added_ = 0;
};

}  // namespace torchvet
