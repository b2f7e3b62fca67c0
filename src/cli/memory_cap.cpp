// The cap is one of the system's (RLIMIT_DATA): it counts the memory that a process may write to, which
// is its heap and its stacks, and not the files that it has mapped for reading. An allocation beyond
// it throws std::bad_alloc, as on a machine that has no more, and becomes a gap where files are read.
// Started programs inherit it, each with a count of its own.
//
// A thread for whose stack there is no room cannot be started, which libraries do not expect. So there
// are only as many as surely fit.
#include "cli/memory_cap.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>

#include "core/checked.h"
#include "values/values.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kLeast = 64ull << 20;
constexpr std::uint64_t kOfOneThread = 64ull << 20;
constexpr std::uint64_t kMostThreads = 1024;

tl::unexpected<Error> wrong(std::string detail) {
  return fail(ErrorCode::kConfigInvalid, 0, std::move(detail));
}

/// "512M", "4G", a number of bytes.
std::optional<std::uint64_t> size_from_text(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";  // 2^10, 2^20, ...
  std::uint64_t unit = 1;
  if (!text.empty()) {
    const std::size_t power = kUnits.find(text.back());
    if (power != kUnits.npos) {
      unit = 1ull << (10 * (power + 1));
      text.remove_suffix(1);
    }
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return checked_mul(number, unit);
}

}  // namespace

Result<std::optional<MemoryCap>> make_memory_cap(const Options& options) {
  if (options.max_memory.empty()) return std::nullopt;
  const std::optional<std::uint64_t> bytes = size_from_text(options.max_memory);
  if (!bytes) {
    return wrong(
        fmt::format("--max-memory: `{}` is no size like 512M or 4G", options.max_memory));
  }
  if (*bytes < kLeast) {
    return wrong(fmt::format("--max-memory: {} is too little to begin with; the least is {}M",
                             options.max_memory, kLeast >> 20));
  }
  return MemoryCap{*bytes,
                   static_cast<unsigned>(std::min(*bytes / kOfOneThread, kMostThreads))};
}

Result<void> apply(const MemoryCap& cap) {
  set_most_threads(cap.threads);
  rlimit limit = {};
  const bool known = getrlimit(RLIMIT_DATA, &limit) == 0;
  const rlim_t wanted = std::min<std::uint64_t>(cap.bytes, std::numeric_limits<rlim_t>::max());
  limit.rlim_cur = std::min(wanted, limit.rlim_max);  // what is set from outside stays in force
  if (known && setrlimit(RLIMIT_DATA, &limit) == 0) return {};
  return wrong(fmt::format("--max-memory: the system refuses it: {}", std::strerror(errno)));
}

}  // namespace torchvet
