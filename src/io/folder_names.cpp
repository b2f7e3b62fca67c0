#include "io/folder_names.h"

namespace torchvet {

const std::vector<std::string>& FolderNames::beside(const Source& file) {
  const std::string& path = file.path();
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const std::lock_guard lock(mutex_);
  const auto known = names_.find(folder);
  if (known != names_.end()) return known->second;
  return names_.emplace(folder, file.sibling_names()).first->second;
}

}  // namespace torchvet
