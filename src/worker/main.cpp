// torchvet-graph: imports TorchScript code with LibTorch and answers with flat graphs.
//
// Started by torchvet and of no use by hand: standard input and output carry the messages of
// graph/graph_codec.h until the input ends. The code it parses is hostile, and LibTorch's parser
// was not made for that, which is why it is a program of its own: what kills it costs one file its
// graph. It has no business with files, the terminal or the environment, and limits what it may
// use.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

#include "graph/graph_codec.h"
#include "worker/lower.h"

namespace {

/// A request is at most the code of one archive, which torchvet has already bounded.
constexpr std::uint64_t kMaxRequest = 1ull << 32;
/// What a program may take on top of LibTorch itself.
constexpr std::uint64_t kMemory = 8ull << 30;

bool read_all(int fd, void* data, std::size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::read(fd, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

/// Moves the two pipes out of the reach of anything that prints or reads by habit.
bool take_over_pipes(int& in, int& out) {
  in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
  out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  const int null = ::open("/dev/null", O_RDWR);
  if (in < 0 || out < 0 || null < 0) return false;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  for (int fd = STDERR_FILENO + 1; fd < 10; ++fd) ::close(fd);
  return true;
}

void lower_limit(int resource, rlim_t value) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? value : std::min(limit.rlim_max, value);
  ::setrlimit(static_cast<__rlimit_resource>(resource), &limit);
}

/// Bytes of address space in use now.
std::uint64_t mapped_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  statm >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void limit_process() {
  lower_limit(RLIMIT_CORE, 0);
#if !defined(__SANITIZE_ADDRESS__)
  lower_limit(RLIMIT_AS, mapped_bytes() + kMemory);
#endif
}

/// The limit of the system counts the whole process: each program gets its share on top.
void allow_cpu_seconds(std::uint64_t seconds) {
  rusage used{};
  if (seconds == 0 || ::getrusage(RUSAGE_SELF, &used) != 0) return;
  lower_limit(RLIMIT_CPU,
              static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + seconds + 1);
}

bool answer_one(int in, int out) {
  std::uint64_t length = 0;
  if (!read_all(in, &length, sizeof length) || length > kMaxRequest) return false;
  std::string bytes(static_cast<std::size_t>(length), '\0');
  if (!read_all(in, bytes.data(), bytes.size())) return false;
  const torchvet::Result<torchvet::GraphRequest> request = torchvet::decode_request(bytes);
  if (!request) return false;
  allow_cpu_seconds(request->cpu_seconds);
  const std::string reply = torchvet::encode_reply(torchvet::lower_program(*request));
  const std::uint64_t reply_length = reply.size();
  char header[sizeof reply_length];
  std::memcpy(header, &reply_length, sizeof header);
  return write_all(out, {header, sizeof header}) && write_all(out, reply);
}

}  // namespace

int main() {
  int in = -1;
  int out = -1;
  if (!take_over_pipes(in, out)) return 1;
  try {
    torchvet::prepare_libtorch();
    limit_process();
    while (answer_one(in, out)) {
    }
  } catch (const std::exception&) {
    _exit(1);  // out of memory, most likely: torchvet sees the end and reports it
  }
  _exit(0);  // LibTorch's clean-up would take longer than an import
}
