#include "cli/config_file.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "cli/config_json.h"
#include "cli/config_keys.h"
#include "io/source.h"

namespace torchvet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "torchvet.json";

/// What people call a path: as short as it can be said from here.
std::string shown_path(const std::string& path) {
  std::error_code failed;
  const fs::path here = fs::current_path(failed);
  const fs::path file(path);
  if (failed || !file.is_absolute()) return path;
  const fs::path relative = file.lexically_relative(here);
  return !relative.empty() && *relative.begin() != ".." ? relative.generic_string() : path;
}

std::vector<std::string> texts_of(const ConfigNode* list) {
  std::vector<std::string> out;
  if (list == nullptr) return out;
  for (const ConfigNode& item : list->items) out.push_back(item.text);
  return out;
}

std::string text_of(const ConfigNode& object, std::string_view key) {
  const ConfigNode* found = object.find(key);
  return found == nullptr ? std::string() : found->text;
}

std::string pair_of(const ConfigNode& item) {
  return item.key + "=" + (item.whole ? std::to_string(*item.whole) : item.text);
}

/// The values of options; the file has been checked.
std::vector<Given> given_of(const ConfigNode& root, const std::string& file, Layer layer) {
  std::vector<Given> given;
  for (const ConfigKey& key : config_keys()) {
    const ConfigNode* node = root.find(key.name);
    if (node == nullptr || key.flag.empty()) continue;
    const OptionRow* row = row_of_flag(key.flag);
    const auto add = [&](const ConfigNode& at, const std::string& value) {
      given.push_back({row, value, fmt::format("{}:{}", file, at.line), layer});
    };
    if (node->kind == ConfigNode::Kind::kText) add(*node, node->text);
    if (node->kind == ConfigNode::Kind::kList) {
      for (const ConfigNode& item : node->items) add(item, item.text);
    }
    if (node->kind == ConfigNode::Kind::kObject) {
      for (const ConfigNode& item : node->items) add(item, pair_of(item));
    }
  }
  return given;
}

OrFaults<ConfigNode> read_checked(const std::string& path, const std::vector<ConfigKey>& keys,
                                  const std::string& shown) {
  const Result<std::shared_ptr<Source>> source = Source::open(path);
  if (!source) {
    return tl::unexpected(std::vector{fmt::format("{}: {}", shown, source.error().detail)});
  }
  Result<ConfigNode> root = parse_config_json(shown, (*source)->bytes().text());
  if (!root) return tl::unexpected(std::vector{root.error().detail});
  std::vector<std::string> faults = config_faults(*root, keys, shown);
  if (!faults.empty()) return tl::unexpected(std::move(faults));
  return std::move(*root);
}

bool is_there(const fs::path& path) {
  std::error_code failed;
  return fs::exists(path, failed) && !failed;
}

}  // namespace

OrFaults<ConfigFile> read_config_file(const std::string& path, Layer layer) {
  ConfigFile file;
  file.shown = shown_path(path);
  const OrFaults<ConfigNode> root = read_checked(path, config_keys(), file.shown);
  if (!root) return tl::unexpected(root.error());
  file.given = given_of(*root, file.shown, layer);
  const auto origin = [&](const ConfigNode& node) {
    return fmt::format("{}:{}", file.shown, node.line);
  };
  if (const ConfigNode* paths = root->find("paths")) {
    for (const ConfigNode& item : paths->items) {
      PathEntry entry{text_of(item, "match"),
                      texts_of(item.find("select")),
                      texts_of(item.find("ignore")),
                      {},
                      text_of(item, "artifact_id"),
                      origin(item),
                      layer};
      const ConfigNode* severity = item.find("severity");
      if (severity != nullptr) {
        for (const ConfigNode& one : severity->items) entry.severity.push_back(pair_of(one));
      }
      file.paths.push_back(std::move(entry));
    }
  }
  if (const ConfigNode* suppressions = root->find("suppressions")) {
    for (const ConfigNode& item : suppressions->items) {
      file.suppressions.push_back({text_of(item, "code"), text_of(item, "artifact"),
                                   text_of(item, "reason"), text_of(item, "object_path"),
                                   text_of(item, "sha256"), text_of(item, "expires"),
                                   text_of(item, "owner"), origin(item)});
    }
  }
  return file;
}

OrFaults<Baseline> read_baseline(const std::string& path) {
  const OrFaults<ConfigNode> root = read_checked(path, baseline_keys(), path);
  if (!root) return tl::unexpected(root.error());
  Baseline baseline;
  baseline.file = path;
  for (const ConfigNode& item : root->find("entries")->items) {
    baseline.entries.push_back({text_of(item, "fingerprint"), text_of(item, "code"),
                                text_of(item, "artifact"), text_of(item, "object_path")});
  }
  return baseline;
}

std::string project_root() {
  std::error_code failed;
  const fs::path here = fs::current_path(failed);
  if (failed) return "";
  for (fs::path folder = here;; folder = folder.parent_path()) {
    if (is_there(folder / ".git")) return folder.string();
    if (folder == folder.parent_path()) return here.string();
  }
}

std::string find_project_file() {
  std::error_code failed;
  const fs::path here = fs::current_path(failed);
  const fs::path root = project_root();
  if (failed || root.empty()) return "";
  for (fs::path folder = here;; folder = folder.parent_path()) {
    if (is_there(folder / kName)) return (folder / kName).string();
    if (folder == root || folder == folder.parent_path()) return "";
  }
}

std::string find_user_file() {
  const char* configured = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (configured != nullptr && fs::path(configured).is_absolute()) {
    folder = configured;
  } else if (home != nullptr && fs::path(home).is_absolute()) {
    folder = fs::path(home) / ".config";
  }
  if (folder.empty()) return "";
  const fs::path file = folder / "torchvet" / kName;
  return is_there(file) ? file.string() : "";
}

}  // namespace torchvet
