#pragma once

#include <cstdint>
#include <optional>

#include "cli/options.h"
#include "core/error.h"

namespace torchvet {

/// `--max-memory`: what the program, and the graph worker beside it, may each take for itself.
struct MemoryCap {
  std::uint64_t bytes = 0;
  unsigned threads = 1;  ///< as many as find room for their stacks and for what they hold
};

/// Nothing when the option was not given.
/// Errors: kConfigInvalid for what is no size, or too little to begin with.
[[nodiscard]] Result<std::optional<MemoryCap>> make_memory_cap(const Options& options);

/// From now on an allocation beyond it fails, and what it was for is not analysed.
/// Errors: kConfigInvalid where the system refuses.
[[nodiscard]] Result<void> apply(const MemoryCap& cap);

}  // namespace torchvet
