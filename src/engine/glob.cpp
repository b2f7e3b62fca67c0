#include "engine/glob.h"

#include <fnmatch.h>

namespace torchvet {

bool glob_matches(const std::string& glob, const std::string& text) {
  constexpr std::size_t kLongest = 4096;
  return text.size() <= kLongest && fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

bool glob_matches_path(const std::string& glob, const std::string& path) {
  if (glob.find('/') != std::string::npos) return glob_matches(glob, path);
  return glob_matches(glob, path.substr(path.rfind('/') + 1));
}

}  // namespace torchvet
