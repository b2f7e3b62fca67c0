#include "cli/first_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <vector>

#include "formats/detect.h"

namespace torchvet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostEntries = 10'000;  ///< of the folder that are looked at

/// Model files right in a folder, sorted.
std::vector<std::string> models_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  fs::directory_iterator entry(folder, failed);
  for (std::size_t seen = 0; !failed && entry != fs::directory_iterator() && seen < kMostEntries;
       entry.increment(failed), ++seen) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (has_model_extension(name) && entry->is_regular_file(ignored)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// A name that a shell takes as it stands, and no option.
bool is_plain(const std::string& name) {
  return !name.starts_with('-') && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-');
  });
}

std::string here(const std::string& folder) {
  const std::vector<std::string> names = models_in(folder);
  if (names.empty())
    return "no model file lies in this folder: name one, or the folder they are in";
  if (names.size() > 1) {
    return fmt::format("{} model files lie in this folder. Begin with: torchvet check .",
                       names.size());
  }
  return fmt::format("a model file lies in this folder. Begin with: torchvet check {}",
                     is_plain(names.front()) ? names.front() : ".");
}

}  // namespace

std::string first_words(const std::string& folder) {
  return fmt::format(
      "torchvet finds defects in what PyTorch training leaves on disk. It executes nothing in it.\n"
      "\n"
      "  torchvet check model.pt                 what is wrong with a file, or with a folder of "
      "them\n"
      "  torchvet drift run/                     with the checkpoints of one training\n"
      "  torchvet diff new.pt --against old.pt   does the new model fit where the old one runs?\n"
      "  torchvet inspect model.pt               what is in a file\n"
      "  torchvet explain REG002                 what a finding means\n"
      "  torchvet help                           all commands; torchvet help check: its options\n"
      "\n"
      "torchvet: nothing to do; {}\n",
      here(folder));
}

}  // namespace torchvet
