#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "model/gap.h"

namespace torchvet {

/// When no further work may begin: after `--timeout`, or after an interrupt.
class Deadline {
 public:
  explicit Deadline(std::optional<std::chrono::milliseconds> timeout);

  /// True when `what` must not begin any more; `gaps` then says why.
  [[nodiscard]] bool over(std::vector<Gap>& gaps, std::string_view what) const;

  /// The limits with no more seconds for the worker than are left, but at least one.
  [[nodiscard]] Limits within(const Limits& limits) const;

 private:
  std::optional<std::chrono::steady_clock::time_point> end_;
};

}  // namespace torchvet
