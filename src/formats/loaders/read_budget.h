#pragma once

#include <cstddef>
#include <cstdint>

namespace torchvet {

/// How many entries of values the calls of a pickle may go through: a pickle can hand one list of a
/// million elements to a million calls.
class ReadBudget {
 public:
  explicit ReadBudget(std::uint64_t pickle_bytes) : most_(kTimes * (pickle_bytes + kForSmallOnes)) {}

  /// Whether there is still room after so many entries more.
  [[nodiscard]] bool take(std::size_t entries) {
    read_ += entries;
    return read_ <= most_;
  }

 private:
  static constexpr std::uint64_t kTimes = 16, kForSmallOnes = 10'000;
  std::uint64_t most_;
  std::uint64_t read_ = 0;
};

}  // namespace torchvet
