#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace torchvet {

/// A folder of one test, removed with all that is in it when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "torchvet-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const {
    return name.empty() ? root_ : root_ + "/" + std::string(name);
  }
  /// Writes a file, with the folders it needs, and returns its path.
  std::string write(std::string_view name, std::string_view content) const {
    const std::string where = path(name);
    std::filesystem::create_directories(std::filesystem::path(where).parent_path());
    std::ofstream(where, std::ios::binary) << content;
    return where;
  }

 private:
  std::string root_;
};

}  // namespace torchvet
