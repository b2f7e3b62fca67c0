#pragma once

#include <cstdint>

#include "model/artifact.h"

namespace torchvet {

/// How many entries of containers may be read. A pickle needs an opcode for each entry it writes,
/// but it can hang one dict of a million entries under a million objects: a walk that goes through
/// each container once sees it once, while one that asks each object for its attributes reads a
/// million times a million. What an honest file needs is a small multiple of its opcodes.
class ReadingBudget {
 public:
  /// `times` as many as the pickles of the artifact have opcodes and objects.
  ReadingBudget(const Artifact& artifact, std::uint64_t times) {
    constexpr std::uint64_t kForSmallOnes = 10'000;
    std::uint64_t written = artifact.objects.size() + kForSmallOnes;
    for (const PickleProgram& pickle : artifact.pickles) written += pickle.opcodes;
    left_ = times * written;
  }

  /// False, and from then on for every count but 0, when there is not enough left.
  [[nodiscard]] bool take(std::uint64_t count) {
    if (count > left_) {
      left_ = 0;
      return false;
    }
    left_ -= count;
    return true;
  }

 private:
  std::uint64_t left_ = 0;
};

}  // namespace torchvet
