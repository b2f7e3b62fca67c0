#include "cli/deadline.h"

#include <algorithm>
#include <string>

#include "cli/interrupt.h"

namespace torchvet {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Deadline::Deadline(std::optional<std::chrono::milliseconds> timeout) {
  if (timeout) end_ = Clock::now() + *timeout;
}

bool Deadline::over(std::vector<Gap>& gaps, std::string_view what) const {
  if (interrupted()) {
    gaps.push_back({std::string(what), "interrupted"});
    return true;
  }
  if (end_ && Clock::now() >= *end_) {
    gaps.push_back({std::string(what), "the time given by --timeout is over"});
    return true;
  }
  return false;
}

Limits Deadline::within(const Limits& limits) const {
  if (!end_) return limits;
  const auto left = std::chrono::ceil<std::chrono::seconds>(*end_ - Clock::now()).count();
  Limits shorter = limits;
  shorter.worker_seconds = std::min(
      limits.worker_seconds, static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1)));
  return shorter;
}

}  // namespace torchvet
