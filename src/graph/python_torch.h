#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace torchvet {

/// A torch package of the Python environment that torchvet is installed in.
struct PythonTorch {
  std::string version;    ///< of its version.py: "2.13.0+cpu"
  std::string libraries;  ///< the folder of its libtorch_cpu.so
};

/// The torch packages below the prefix of an environment, found without starting Python. Nothing
/// when the prefix is no Python environment.
[[nodiscard]] std::vector<PythonTorch> torches_below(const std::filesystem::path& prefix);

/// The release of LibTorch that the graph worker is made for: "2.13"; empty in a build without it.
[[nodiscard]] std::string release_of_worker();

/// The folder of the first torch of the worker's release; empty when there is none.
[[nodiscard]] std::string libraries_for_worker(const std::vector<PythonTorch>& torches);

/// Why the worker's libraries could not be loaded, and what to do.
[[nodiscard]] std::string why_not_loaded(const std::filesystem::path& prefix,
                                         const std::vector<PythonTorch>& torches);

}  // namespace torchvet
