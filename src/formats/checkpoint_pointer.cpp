#include "formats/checkpoint_pointer.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "formats/reader.h"

namespace torchvet {
namespace {

/// The one line of a small text; empty for anything else.
std::string_view only_line(const Source& source) {
  constexpr std::uint64_t kMost = 256;
  constexpr std::string_view kBlanks = " \t\r\n";
  if (source.bytes().size() > kMost) return {};
  std::string_view text = source.bytes().text();
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
  });
  return plain ? text : std::string_view();
}

bool is_step_folder(std::string_view name) { return name.starts_with("global_step"); }

}  // namespace

bool is_checkpoint_pointer(const Source& source) {
  const std::string_view path = source.path();
  if (path.substr(path.rfind('/') + 1) != "latest") return false;
  const std::string_view named = only_line(source);
  if (named.empty()) return false;
  const std::vector<std::string> folders = source.sibling_folders();
  const bool folder = std::any_of(folders.begin(), folders.end(), [&](const std::string& name) {
    return name == named || is_step_folder(name);
  });
  if (folder) return true;
  const std::vector<std::string> files = source.sibling_names();
  return std::find(files.begin(), files.end(), "zero_to_fp32.py") != files.end();
}

void read_checkpoint_pointer(const std::shared_ptr<Source>& source, const ReadOptions&,
                             Artifact& artifact) {
  const std::string named(only_line(*source));
  if (named.find_first_of("/\\") != std::string::npos || named == "..") {
    artifact.add_fault(named, {ErrorCode::kUnsafePath, 0, "it is no plain name of a folder"});
    return;
  }
  const std::vector<std::string> folders = source->sibling_folders();
  if (std::find(folders.begin(), folders.end(), named) != folders.end()) return;
  constexpr std::size_t kShown = 3;
  std::string others;
  std::size_t count = 0;
  for (const std::string& folder : folders) {
    if (!is_step_folder(folder) || count++ >= kShown) continue;
    others += (others.empty() ? "" : ", ") + folder;
  }
  if (count > kShown) others += " and " + std::to_string(count - kShown) + " more";
  artifact.add_fault(
      named, {ErrorCode::kShardMissing, 0,
              "`latest` names the folder " + named + ", which is not beside it; " +
                  (others.empty() ? std::string("none of its kind is") : "there are: " + others)});
}

}  // namespace torchvet
