#include "graph/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace torchvet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kHeader = sizeof(std::uint64_t);
constexpr std::size_t kChunk = 1 << 16;

/// What the dynamic loader ends a program with whose libraries it cannot load.
constexpr int kNotLoaded = 127;

/// What the child keeps of the environment: where its libraries are, and how a sanitizer is set.
/// What the user says of libraries counts before `libraries`.
std::vector<std::string> child_environment(const std::string& libraries) {
  std::vector<std::string> kept = {"LC_ALL=C", "OMP_NUM_THREADS=1"};
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) kept.push_back(std::string(name) + "=" + value);
  }
  const char* given = std::getenv("LD_LIBRARY_PATH");
  std::string path = given == nullptr ? "" : given;
  if (!libraries.empty()) path += (path.empty() ? "" : ":") + libraries;
  if (!path.empty()) kept.push_back("LD_LIBRARY_PATH=" + path);
  return kept;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return "signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "exit code " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

enum class Ready { kYes, kTimeout, kFailed };

Ready wait_for(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Ready::kTimeout;
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready > 0) return Ready::kYes;
    if (ready < 0 && errno != EINTR) return Ready::kFailed;
  }
}

/// The bytes are sent without blocking, so that a child that never reads cannot hold us.
Ready send_all(int fd, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (const Ready ready = wait_for(fd, POLLOUT, deadline); ready != Ready::kYes) return ready;
    } else if (errno != EINTR) {
      return Ready::kFailed;
    }
  }
  return Ready::kYes;
}

/// Appends exactly `size` bytes. Memory grows with what arrives, not with what was announced.
Ready receive(int fd, std::uint64_t size, std::string& bytes, Clock::time_point deadline) {
  std::array<char, kChunk> chunk;
  while (size > 0) {
    if (const Ready ready = wait_for(fd, POLLIN, deadline); ready != Ready::kYes) return ready;
    const ssize_t got =
        ::recv(fd, chunk.data(), std::min<std::uint64_t>(size, chunk.size()), MSG_DONTWAIT);
    if (got > 0) {
      bytes.append(chunk.data(), static_cast<std::size_t>(got));
      size -= static_cast<std::uint64_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      return Ready::kFailed;
    }
  }
  return Ready::kYes;
}

}  // namespace

Result<void> WorkerProcess::start(const std::string& program, const std::string& libraries) {
  stop();
  not_loaded_ = false;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(ErrorCode::kWorkerFailed, 0, std::string("no pipe: ") + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string name = program;
  char* arguments[] = {name.data(), nullptr};
  std::vector<std::string> environment = child_environment(libraries);
  std::vector<char*> pointers;
  for (std::string& variable : environment) pointers.push_back(variable.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, pointers.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return fail(error == ENOENT ? ErrorCode::kWorkerMissing : ErrorCode::kWorkerFailed, 0,
                "cannot start " + program + ": " + std::strerror(error));
  }
  pid_ = pid;
  pipe_ = ends[0];
  return {};
}

Result<std::string> WorkerProcess::exchange(std::string_view message, std::uint64_t max_reply,
                                            std::uint64_t seconds) {
  const auto limit = std::chrono::seconds(std::min<std::uint64_t>(seconds, 1'000'000));
  const Clock::time_point deadline = Clock::now() + limit;
  const std::uint64_t size = message.size();
  const std::string_view header(reinterpret_cast<const char*>(&size), kHeader);

  Ready state = send_all(pipe_, header, deadline);
  if (state == Ready::kYes) state = send_all(pipe_, message, deadline);
  std::string bytes;
  if (state == Ready::kYes) state = receive(pipe_, kHeader, bytes, deadline);
  if (state == Ready::kYes) {
    std::uint64_t announced = 0;
    std::memcpy(&announced, bytes.data(), kHeader);
    if (announced > max_reply) {
      stop();
      return fail(ErrorCode::kLimitExceeded, 0,
                  "the graph worker announces a reply of " + std::to_string(announced) +
                      " bytes, more than the limit of " + std::to_string(max_reply));
    }
    bytes.clear();
    state = receive(pipe_, announced, bytes, deadline);
  }
  if (state == Ready::kYes) return bytes;
  if (state == Ready::kTimeout) {
    stop();
    return fail(ErrorCode::kWorkerTimeout, 0,
                "the graph worker took longer than " + std::to_string(seconds) + " s");
  }
  return fail(ErrorCode::kWorkerFailed, 0, "the graph worker ended with " + stop());
}

std::string WorkerProcess::stop() {
  if (pipe_ >= 0) ::close(pipe_);
  pipe_ = -1;
  if (pid_ <= 0) return "no process";
  // One that has ended by itself is not yet reaped, so its own status survives the signal; one that
  // is about to end after closing its pipe gets a moment to do so.
  int status = 0;
  pid_t reaped = 0;
  for (int i = 0; i < 20 && (reaped = ::waitpid(pid_, &status, WNOHANG)) == 0; ++i) ::usleep(1000);
  if (reaped == 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  not_loaded_ = WIFEXITED(status) && WEXITSTATUS(status) == kNotLoaded;
  return describe_end(status);
}

}  // namespace torchvet
