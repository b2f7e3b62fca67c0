#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

namespace torchvet {

/// A child process that answers messages on its standard input and output, each an 8-byte
/// little-endian length and that many bytes. Its standard error is thrown away and its environment
/// is empty but for the library path: neither may depend on the user's or write into a report.
class WorkerProcess {
 public:
  WorkerProcess() = default;
  ~WorkerProcess() { stop(); }
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  [[nodiscard]] bool running() const { return pid_ > 0; }

  /// Starts `program` and does not wait for it. `libraries`, when not empty, is a folder in which
  /// the dynamic loader looks after those of the user's LD_LIBRARY_PATH.
  /// Errors: kWorkerMissing (no such program), kWorkerFailed (no process or pipe to be had).
  [[nodiscard]] Result<void> start(const std::string& program,
                                   const std::string& libraries = {});

  /// Sends a message and waits for the answer. On an error the process is ended.
  /// Errors: kWorkerFailed (it died: how), kWorkerTimeout, kWorkerBadReply, kLimitExceeded (the
  /// answer is longer than `max_reply`).
  [[nodiscard]] Result<std::string> exchange(std::string_view message, std::uint64_t max_reply,
                                             std::uint64_t seconds);

  /// Did the last process end because its libraries could not be loaded?
  [[nodiscard]] bool not_loaded() const { return not_loaded_; }

  /// Ends the process, if there is one, and says how it ended: "exit code 1", "signal 11 (...)".
  std::string stop();

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
  bool not_loaded_ = false;
};

}  // namespace torchvet
