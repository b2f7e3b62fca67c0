#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "io/source.h"

namespace torchvet {

/// What `Source::sibling_names` says, with each folder listed once: a checkpoint of a thousand shards
/// would list it a thousand times. What comes into a folder later is not seen. Thread-safe.
class FolderNames {
 public:
  [[nodiscard]] const std::vector<std::string>& beside(const Source& file);

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> names_;  ///< by the path of the folder
};

}  // namespace torchvet
