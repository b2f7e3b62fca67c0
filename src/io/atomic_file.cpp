#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace torchvet {
namespace {

tl::unexpected<Error> write_failure(const std::string& path, int reason) {
  return fail(ErrorCode::kWriteFailed, 0, path + ": " + std::strerror(reason));
}

/// 0 or the system's error. Closes the descriptor either way.
int write_and_close(int descriptor, std::string_view content, bool sync) {
  int reason = 0;
  while (!content.empty() && reason == 0) {
    const ssize_t count = write(descriptor, content.data(), content.size());
    if (count < 0 && errno != EINTR) reason = errno;
    if (count > 0) content.remove_prefix(static_cast<std::size_t>(count));
  }
  if (reason == 0 && sync && fsync(descriptor) != 0) reason = errno;
  if (close(descriptor) != 0 && reason == 0) reason = errno;
  return reason;
}

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return path + ".tmp." + std::to_string(getpid()) + "." + std::to_string(counter++);
}

}  // namespace

Result<void> write_atomically(const std::string& path, std::string_view content) {
  struct stat status{};
  const bool exists = stat(path.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) {
    const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const int reason = descriptor < 0 ? errno : write_and_close(descriptor, content, false);
    if (reason != 0) return write_failure(path, reason);
    return {};
  }

  std::string target = path;
  if (char resolved[PATH_MAX]; exists && realpath(path.c_str(), resolved)) target = resolved;
  const std::string temporary = temporary_name(target);
  const mode_t mode = exists ? status.st_mode & 07777 : 0666;
  const int descriptor =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (descriptor < 0) return write_failure(path, errno);
  int reason = write_and_close(descriptor, content, true);
  if (reason == 0 && rename(temporary.c_str(), target.c_str()) != 0) reason = errno;
  if (reason != 0) {
    unlink(temporary.c_str());
    return write_failure(path, reason);
  }
  return {};
}

}  // namespace torchvet
