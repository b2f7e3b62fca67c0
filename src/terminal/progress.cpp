#include "terminal/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "core/escape.h"

namespace torchvet {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kFirst(500);
constexpr std::chrono::milliseconds kEvery(100);
constexpr std::size_t kLongestPath = 48;

}  // namespace

struct Progress::State {
  std::uint64_t files = 0;
  std::uint64_t done = 0;
  std::uint64_t bytes = 0;
  std::string path;
  bool stop = false;
  bool drawn = false;
  Clock::time_point started = Clock::now();
  std::mutex mutex;
  std::condition_variable wake;
  std::thread ticker;

  void draw() {
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    const double gigabytes = static_cast<double>(bytes) / 1e9;
    const std::string line =
        fmt::format("\r\x1b[K{}/{} files, {:.1f} GB, {:.1f} GB/s  {}", done, files, gigabytes,
                    seconds > 0 ? gigabytes / seconds : 0, escape_text(path, kLongestPath));
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fflush(stderr);
    drawn = true;
  }

  void run() {
    std::unique_lock lock(mutex);
    wake.wait_for(lock, kFirst, [&] { return stop; });
    while (!stop) {
      draw();
      wake.wait_for(lock, kEvery, [&] { return stop; });
    }
  }
};

Progress::Progress(bool shown, std::uint64_t files) {
  if (!shown) return;
  state_ = std::make_unique<State>();
  state_->files = files;
  state_->ticker = std::thread([state = state_.get()] { state->run(); });
}

Progress::~Progress() {
  if (!state_) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  state_->ticker.join();
  if (state_->drawn) {
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
  }
}

void Progress::begin(const std::string& path) {
  if (!state_) return;
  const std::lock_guard lock(state_->mutex);
  state_->path = path;
}

void Progress::end(std::uint64_t bytes) {
  if (!state_) return;
  const std::lock_guard lock(state_->mutex);
  ++state_->done;
  state_->bytes += bytes;
}

}  // namespace torchvet
