// How a mapped file survives being cut by someone else.
//
// Looking at a page of a mapping that lies behind the end of the file raises SIGBUS. Checking the
// size first does not help: another process can truncate the file between the check and the look.
// So every mapping is entered in a table, and a SIGBUS whose address lies in one of them puts a
// page of zeros there and marks that mapping; the reader then goes on, meets nonsense that its own
// checks refuse, and `changed_while_read` tells why. A SIGBUS from anywhere else ends the process
// as before.
//
// The handler may run at any moment, so the table is a list whose entries are never freed, only
// used again, and whose links are atomic; the handler takes no lock and allocates nothing.

#include "io/source.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

namespace torchvet {

struct MappedRange {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uint64_t> size{0};  // 0: this entry is free
  std::atomic<bool> lost_pages{false};
  MappedRange* next = nullptr;
};

namespace {

std::int64_t modified_ns(const struct stat& status) {
  return static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

ErrorCode code_for(int system_error) {
  switch (system_error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kFileNotFound;
    case EACCES:
    case EPERM:
      return ErrorCode::kPermissionDenied;
    default:
      return ErrorCode::kReadFailed;
  }
}

/// A series of checkpoints holds every file open at once, more than the usual soft limit of 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::mutex table_mutex;  // guards changes of the table, never taken by the handler
std::atomic<MappedRange*> table_head{nullptr};
std::uintptr_t page_size = 4096;

void on_bus_error(int signal, siginfo_t* info, void*) {
  const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (MappedRange* entry = table_head.load(); entry; entry = entry->next) {
    const std::uint64_t size = entry->size.load();
    const std::uintptr_t begin = entry->begin.load();
    if (size == 0 || address < begin || address - begin >= size) continue;
    const int saved_errno = errno;
    const std::uintptr_t page = address & ~(page_size - 1);
    void* zeros = mmap(reinterpret_cast<void*>(page), page_size, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved_errno;
    if (zeros == MAP_FAILED) break;
    entry->lost_pages.store(true);
    return;
  }
  // Not ours: the access is repeated under the default action and ends the process.
  ::signal(signal, SIG_DFL);
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    raise_descriptor_limit();
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, nullptr);
  });
}

MappedRange* register_mapping(const void* begin, std::uint64_t size) {
  install_handler();
  const std::lock_guard<std::mutex> lock(table_mutex);
  MappedRange* entry = table_head.load();
  while (entry && entry->size.load() != 0) entry = entry->next;
  if (!entry) {
    entry = new MappedRange;
    entry->next = table_head.load();
    table_head.store(entry);
  }
  entry->lost_pages.store(false);
  entry->begin.store(reinterpret_cast<std::uintptr_t>(begin));
  entry->size.store(size);
  return entry;
}

}  // namespace

Result<std::shared_ptr<Source>> Source::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe without a writer must not wait; it is refused below.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return fail(code_for(errno), 0, std::strerror(errno));
  return of_descriptor(path, descriptor, /*alone=*/false);
}

Result<std::shared_ptr<Source>> Source::of_descriptor(std::string name, int descriptor,
                                                      bool alone) {
  const std::shared_ptr<Source> source(new Source);
  source->path_ = std::move(name);
  source->descriptor_ = descriptor;
  source->alone_ = alone;
  struct stat status{};
  if (fstat(descriptor, &status) != 0) {
    return fail(ErrorCode::kReadFailed, 0, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kNotAFile, 0,
                S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file");
  }
  // `read_at` reads single small records: reading on behind each would fetch most of a large file.
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
  source->modified_ns_ = modified_ns(status);
  const std::uint64_t size = static_cast<std::uint64_t>(status.st_size);
  if (size == 0) return source;

  void* begin = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (begin == MAP_FAILED) return fail(ErrorCode::kReadFailed, 0, std::strerror(errno));
  source->bytes_ = ByteView(static_cast<const std::uint8_t*>(begin), size, 0);
  source->mapping_ = register_mapping(begin, size);
  return source;
}

std::shared_ptr<Source> Source::from_bytes(std::string name, std::string bytes) {
  std::shared_ptr<Source> source(new Source);
  source->path_ = std::move(name);
  source->held_ = std::move(bytes);
  source->bytes_ = ByteView(reinterpret_cast<const std::uint8_t*>(source->held_.data()),
                            source->held_.size(), 0);
  return source;
}

Source::~Source() {
  if (mapping_) {
    // Unmapped before the entry is free, so that a new mapping at this address finds no old entry.
    munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
    mapping_->size.store(0);
  }
  if (descriptor_ >= 0) close(descriptor_);
}

bool Source::read_at(std::uint64_t offset, std::span<std::uint8_t> out) const {
  const Result<ByteView> slice = bytes_.slice(offset, out.size());
  if (!slice) return false;
  if (!mapping_) {
    if (!out.empty()) std::memcpy(out.data(), slice->data(), out.size());
    return true;
  }
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count =
        pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

void Source::will_read(ByteRange range) const {
  if (descriptor_ < 0 || range.length == 0) return;
  posix_fadvise(descriptor_, static_cast<off_t>(range.offset), static_cast<off_t>(range.length),
                POSIX_FADV_WILLNEED);
}

void Source::forget_pages() const {
  if (!mapping_) return;
  madvise(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

bool Source::changed_while_read() const {
  for (const std::shared_ptr<Source>& sibling : siblings_) {
    if (sibling->changed_while_read()) return true;
  }
  if (descriptor_ < 0) return false;
  if (mapping_ && mapping_->lost_pages.load()) return true;
  struct stat status{};
  if (fstat(descriptor_, &status) != 0) return true;
  return static_cast<std::uint64_t>(status.st_size) != bytes_.size() ||
         modified_ns(status) != modified_ns_;
}

}  // namespace torchvet
