// Files of one checkpoint that lie side by side. Their names come from a file, so they are hostile:
// a name is a plain name or it is refused, and a link must not lead out of the folder.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "io/source.h"

namespace torchvet {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

bool is_link(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() == fs::file_type::symlink;
}

bool leads_out(const fs::path& link, const fs::path& folder) {
  std::error_code error;
  const fs::path target = fs::canonical(link, error);
  if (error) return false;  // a link to nowhere: opening it fails
  const fs::path inside = target.lexically_relative(fs::canonical(folder, error));
  return error || inside.empty() || *inside.begin() == "..";
}

template <typename Wanted>
std::vector<std::string> entries_of(const fs::path& folder, const Wanted& wanted) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (wanted(*entry)) names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::shared_ptr<Source>> Source::sibling(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\\') != std::string::npos || name.find('\0') != std::string::npos) {
    return fail(ErrorCode::kUnsafePath, 0, "it is no plain file name");
  }
  if (alone_) {
    return fail(ErrorCode::kFileNotFound, 0,
                "there are no files beside standard input or a compressed file");
  }
  const fs::path folder = folder_of(path_);
  const fs::path path = folder / name;
  if (is_link(path) && !is_link(path_) && leads_out(path, folder)) {
    return fail(ErrorCode::kUnsafePath, 0, "it is a symbolic link that leads out of the folder");
  }
  Result<std::shared_ptr<Source>> opened = open(path.string());
  if (opened) siblings_.push_back(*opened);
  return opened;
}

std::vector<std::string> Source::sibling_names() const {
  if (alone_) return {};
  return entries_of(folder_of(path_), [](const fs::directory_entry& entry) {
    std::error_code ignored;
    return entry.is_regular_file(ignored);
  });
}

std::vector<std::string> Source::sibling_folders() const {
  if (alone_) return {};
  return entries_of(folder_of(path_), [](const fs::directory_entry& entry) {
    std::error_code ignored;
    return entry.is_directory(ignored);
  });
}

}  // namespace torchvet
