#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace torchvet {

/// One line on standard error that says how far a long run is: files, bytes, speed. It appears
/// after half a second, is rewritten in place, and is wiped away at the end. All calls are
/// thread-safe.
class Progress {
 public:
  /// `shown` false: every call does nothing and no thread is started.
  Progress(bool shown, std::uint64_t files);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(const std::string& path);
  void end(std::uint64_t bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace torchvet
