// A wheel installs torchvet as bin/torchvet and libexec/torchvet/torchvet-graph of a Python
// environment, and brings no LibTorch: the worker loads the one of the environment's own torch.
// Where that lies is told by the folders alone; its version by torch/version.py, which is read as
// text. Another release has other symbols and layouts, so it is named in the report and never
// loaded.
#include "graph/python_torch.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>

#include "model/torch_release.h"

namespace torchvet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxVersionFile = 1 << 14;
constexpr std::size_t kMaxVersion = 64;

/// The value of `__version__ = '...'`; empty when there is no such line.
std::string version_in(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMaxVersionFile, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  constexpr std::string_view kStart = "\n__version__ = '";
  const std::size_t start = text.find(kStart);
  if (start == std::string::npos) return {};
  const std::size_t end = text.find('\'', start + kStart.size());
  if (end == std::string::npos) return {};
  return text.substr(start + kStart.size(), std::min(end - start - kStart.size(), kMaxVersion));
}

/// lib/python3.11 and its like, sorted.
std::vector<fs::path> python_folders(const fs::path& library_folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(library_folder, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().filename().string().starts_with("python3")) found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<PythonTorch> torches_below(const fs::path& prefix) {
  std::vector<PythonTorch> torches;
  for (const char* library_folder : {"lib", "lib64"}) {
    std::error_code error;
    // In most environments lib64 is a link to lib.
    if (fs::is_symlink(prefix / library_folder, error)) continue;
    for (const fs::path& python : python_folders(prefix / library_folder)) {
      for (const char* packages : {"site-packages", "dist-packages"}) {
        const fs::path torch = python / packages / "torch";
        if (!fs::exists(torch / "lib" / "libtorch_cpu.so", error)) continue;
        torches.push_back({version_in(torch / "version.py"), (torch / "lib").string()});
      }
    }
  }
  return torches;
}

std::string release_of_worker() {
  const std::optional<TorchRelease> release = release_from_text(TORCHVET_LIBTORCH_VERSION);
  return release ? to_text(*release) : "";
}

std::string libraries_for_worker(const std::vector<PythonTorch>& torches) {
  const std::optional<TorchRelease> wanted = release_from_text(TORCHVET_LIBTORCH_VERSION);
  for (const PythonTorch& torch : torches) {
    if (wanted && release_from_text(torch.version) == wanted) return torch.libraries;
  }
  return {};
}

std::string why_not_loaded(const fs::path& prefix, const std::vector<PythonTorch>& torches) {
  const std::string wanted = release_of_worker();
  std::string reason = fmt::format("the graph worker needs LibTorch {} and ", wanted);
  if (torches.empty()) {
    reason += fmt::format("there is no torch in {}", prefix.string());
  } else if (!libraries_for_worker(torches).empty()) {
    return reason + fmt::format("could not load that of {}", libraries_for_worker(torches));
  } else {
    const std::string& version = torches.front().version;
    reason += fmt::format("the torch of {} is {}", prefix.string(),
                          version.empty() ? "of an unknown version" : version);
  }
  return reason + fmt::format("; install torch {} beside torchvet, or name the folder of "
                              "libtorch_cpu.so in LD_LIBRARY_PATH", wanted);
}

}  // namespace torchvet
