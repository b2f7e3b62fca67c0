#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "cli/options.h"

namespace torchvet {

/// Complaints, a line each.
template <typename T>
using OrFaults = tl::expected<T, std::vector<std::string>>;

/// What a configuration file says.
struct ConfigFile {
  std::string shown;  ///< its path for people: relative to the current directory when below it
  std::vector<Given> given;
  std::vector<PathEntry> paths;
  std::vector<Suppression> suppressions;
};

/// Reads and checks a file with the keys of torchvet.json.
/// Faults: it cannot be read; what is wrong in it, each with file and line.
[[nodiscard]] OrFaults<ConfigFile> read_config_file(const std::string& path, Layer layer);

/// The findings that a baseline file accepts.
/// Faults: as above.
[[nodiscard]] OrFaults<Baseline> read_baseline(const std::string& path);

/// The folder that logical paths are relative to: the repository that the current directory lies in
/// (the next folder upwards with a `.git`), without one the current directory.
[[nodiscard]] std::string project_root();

/// The next torchvet.json from the current directory up to `project_root`; empty: there is none.
/// Where an artifact lies makes no difference.
[[nodiscard]] std::string find_project_file();

/// The user's own torchvet.json, in $XDG_CONFIG_HOME/torchvet or ~/.config/torchvet; empty: none.
[[nodiscard]] std::string find_user_file();

}  // namespace torchvet
