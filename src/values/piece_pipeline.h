#pragma once

#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace torchvet {

/// Bytes of a tensor that are looked at together: a multiple of 16 elements of any type, small
/// enough to stay in the second cache, and so is a piece of each of two tensors.
inline constexpr std::uint64_t kPieceBytes = 256ull * 1024;

/// Less is not worth waking other threads.
inline constexpr std::uint64_t kAloneBytes = 1ull << 20;

/// Pieces that are looked at or wait for their turn, at most.
inline constexpr std::size_t kMostInFlight = 64;

/// As `set_most_threads` has it.
[[nodiscard]] unsigned most_threads();

/// Lets pieces of work through three stages: `next(piece)` fills one after the other until it
/// returns false, `look_at(piece)` is called on any thread, and `take(piece)` for one after the
/// other, in the order in which they were filled. Pieces are used again and again. `bytes`: the
/// most that there is to look at; `threads`: 0, or more than there are processors, is one for each.
template <typename Piece, typename Next, typename LookAt, typename Take>
void run_pieces(std::uint64_t bytes, unsigned threads, const Next& next, const LookAt& look_at,
                const Take& take) {
  namespace tbb = oneapi::tbb;
  // oneTBB writes to standard error when it is asked for more than there are.
  const std::size_t processors = static_cast<std::size_t>(tbb::this_task_arena::max_concurrency());
  const std::size_t allowed = std::min<std::size_t>(processors, most_threads());
  const std::size_t most = threads == 0 ? allowed : std::min<std::size_t>(threads, allowed);
  if (most == 1 || bytes < kAloneBytes) {
    for (Piece piece; next(piece); take(piece)) look_at(piece);
    return;
  }
  const std::size_t in_flight = std::min(2 * most, kMostInFlight);
  std::vector<Piece> pieces(in_flight);
  std::mutex mutex;  // guards what is free
  std::vector<Piece*> free;
  for (Piece& piece : pieces) free.push_back(&piece);
  const auto hand_out = [&](tbb::flow_control& control) -> Piece* {
    Piece* piece = nullptr;
    {
      const std::lock_guard lock(mutex);
      piece = free.back();
      free.pop_back();
    }
    if (!next(*piece)) control.stop();
    return piece;
  };
  const auto look = [&](Piece* piece) {
    look_at(*piece);
    return piece;
  };
  const auto take_back = [&](Piece* piece) {
    take(*piece);
    const std::lock_guard lock(mutex);
    free.push_back(piece);
  };
  tbb::task_arena arena(static_cast<int>(most));
  arena.execute([&] {
    tbb::parallel_pipeline(
        in_flight,
        tbb::make_filter<void, Piece*>(tbb::filter_mode::serial_in_order, hand_out) &
            tbb::make_filter<Piece*, Piece*>(tbb::filter_mode::parallel, look) &
            tbb::make_filter<Piece*, void>(tbb::filter_mode::serial_in_order, take_back));
  });
}

}  // namespace torchvet
