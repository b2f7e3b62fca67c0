#include "io/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

namespace torchvet {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

ErrorCode code_for(int system_error) {
  if (system_error == ENOENT) return ErrorCode::kFileNotFound;
  if (system_error == EACCES || system_error == EPERM) return ErrorCode::kPermissionDenied;
  if (system_error == ENOTDIR) return ErrorCode::kNotAFile;
  return ErrorCode::kReadFailed;
}

}  // namespace

Result<WalkResult> walk(const std::string& root, const WalkOptions& options) {
  WalkResult result;
  std::vector<std::string> folders{root};
  // Folders by device and inode: a link that leads back up must not be walked for ever.
  std::set<std::pair<dev_t, ino_t>> seen;
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    const Directory directory(opendir(folder.c_str()));
    if (!directory) {
      const int reason = errno;
      if (folder == root) {
        return fail(code_for(reason), 0, root + ": " + std::strerror(reason));
      }
      result.errors.push_back({code_for(reason), 0, folder + ": " + std::strerror(reason)});
      continue;
    }
    struct stat own{};
    if (fstat(dirfd(directory.get()), &own) == 0 && !seen.emplace(own.st_dev, own.st_ino).second) {
      continue;
    }
    errno = 0;
    while (const dirent* entry = readdir(directory.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat status{};
      const int flags = options.follow_symlinks ? 0 : AT_SYMLINK_NOFOLLOW;
      std::string path = folder + (folder.ends_with('/') ? "" : "/") + name;
      if (fstatat(dirfd(directory.get()), name.c_str(), &status, flags) != 0) {
        // What vanished meanwhile, and a link to nowhere, is no file of this folder.
        if (errno != ENOENT) {
          result.errors.push_back({code_for(errno), 0, path + ": " + std::strerror(errno)});
        }
      } else if (S_ISDIR(status.st_mode)) {
        folders.push_back(std::move(path));
      } else if (S_ISREG(status.st_mode)) {
        result.files.push_back(std::move(path));
      }
      errno = 0;
    }
    if (errno != 0) {
      result.errors.push_back({ErrorCode::kReadFailed, 0, folder + ": " + std::strerror(errno)});
    }
  }
  std::sort(result.files.begin(), result.files.end());
  return result;
}

}  // namespace torchvet
