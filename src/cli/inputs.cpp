#include "cli/inputs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "cli/interrupt.h"
#include "core/limits.h"
#include "engine/glob.h"
#include "formats/checkpoint_pointer.h"
#include "formats/detect.h"
#include "formats/read.h"
#include "io/walk.h"

namespace torchvet {
namespace {

namespace fs = std::filesystem;

bool matches(const std::vector<std::string>& globs, const std::string& relative) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return glob_matches_path(glob, relative); });
}

bool holds_a_model(const std::string& path) {
  const Result<std::shared_ptr<Source>> source = Source::open(path);
  if (!source) return false;
  const Format format = detect((*source)->bytes(), Limits{}).format;
  return is_model_format(format) && format != Format::kLfsPointer;
}

/// Files that stand for several, and those that are read as parts of them.
struct Checkpoints {
  std::set<std::string> wholes, parts;
};

Checkpoints checkpoints_of(const std::vector<std::string>& files) {
  Checkpoints found;
  for (const std::string& file : files) {
    if (!names_parts(file) || found.parts.contains(file)) continue;
    const Result<std::shared_ptr<Source>> source = Source::open(file);
    if (!source) continue;
    const std::string folder = file.substr(0, file.rfind('/') + 1);
    if (is_checkpoint_pointer(**source)) found.wholes.insert(file);
    for (const std::string& part : parts_beside(**source, Limits{})) {
      found.wholes.insert(file);
      found.parts.insert(folder + part);
    }
  }
  return found;
}

/// The system's reason out of a walk's "path: reason", and the path.
std::pair<std::string, std::string> split_reason(const std::string& detail) {
  const std::size_t colon = detail.rfind(": ");
  if (colon == std::string::npos) return {"", detail};
  return {detail.substr(0, colon), detail.substr(colon + 2)};
}

class Collector {
 public:
  Collector(const Options& options, ReportedPassedOver* passed_over)
      : options_(options), passed_over_(passed_over) {}

  std::vector<Input> collect() {
    for (const std::string& path : options_.paths) {
      std::error_code ignored;
      if (path == "-") {
        add_stdin();
      } else if (fs::is_directory(path, ignored)) {
        add_directory(path);
      } else {
        add(path, "");
      }
    }
    return std::move(inputs_);
  }

 private:
  void add(const std::string& path, const std::string& error) {
    Input input = input_named(path, options_);
    input.error = error;
    push(std::move(input));
  }

  void pass_over(const std::string& file) {
    if (passed_over_ == nullptr || !passed_.insert(logical_path(file, "")).second) return;
    ++passed_over_->files;
    if (passed_over_->first.size() < ReportedPassedOver::kNamed) {
      passed_over_->first.push_back(input_named(file, options_).shown);
    }
  }

  void push(Input input) {
    if (seen_.insert(logical_path(input.path, "")).second) inputs_.push_back(std::move(input));
  }

  void add_stdin() {
    std::string bytes;
    constexpr std::size_t kChunk = 1 << 20;
    for (;;) {
      const std::size_t at = bytes.size();
      bytes.resize(at + kChunk);
      const ssize_t got = read(STDIN_FILENO, bytes.data() + at, kChunk);
      if (got < 0 && errno == EINTR && !interrupted()) {
        bytes.resize(at);
        continue;
      }
      bytes.resize(at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got <= 0) break;
    }
    Input input = input_named(options_.stdin_name, options_);
    input.source = Source::from_bytes(input.path, std::move(bytes));
    push(std::move(input));
  }

  void add_directory(const std::string& directory) {
    const Result<WalkResult> found = walk(directory, {options_.follow_symlinks});
    if (!found) {
      add(directory, split_reason(found.error().detail).second);
      return;
    }
    const fs::path root(directory);
    const Checkpoints checkpoints = checkpoints_of(found->files);
    for (const std::string& file : found->files) {
      if (checkpoints.parts.contains(file)) continue;
      const std::string relative = fs::path(file).lexically_relative(root).generic_string();
      if (matches(options_.exclude, relative)) continue;
      const bool wanted = options_.include.empty()
                              ? has_model_extension(file) || checkpoints.wholes.contains(file) ||
                                    holds_a_model(file)
                              : matches(options_.include, relative);
      if (wanted) {
        add(file, "");
      } else if (options_.include.empty()) {
        pass_over(file);
      }
    }
    for (const Error& error : found->errors) {
      const auto [folder, reason] = split_reason(error.detail);
      add(folder.empty() ? directory : folder, reason);
    }
  }

  const Options& options_;
  std::vector<Input> inputs_;
  std::set<std::string> seen_;
  ReportedPassedOver* passed_over_;
  std::set<std::string> passed_;
};

}  // namespace

Input input_named(const std::string& path, const Options& options) {
  Input input;
  input.path = path;
  input.id = options.path_prefix + logical_path(path, options.root);
  input.shown = options.path_prefix.empty() ? path : input.id;
  const std::string place = input.id;
  for (const PathEntry& entry : options.path_entries) {
    if (!entry.artifact_id.empty() && glob_matches_path(entry.match, place)) {
      input.id = entry.artifact_id;
    }
  }
  if (!options.artifact_id.empty()) input.id = options.artifact_id;
  return input;
}

std::string logical_path(const std::string& path, const std::string& root) {
  std::error_code failed;
  const fs::path normal = fs::path(path).lexically_normal();
  const fs::path here = fs::current_path(failed);
  if (failed) return normal.generic_string();
  const fs::path base = root.empty() ? here : fs::path(root);
  const fs::path relative = (here / normal).lexically_normal().lexically_relative(base);
  const bool below = !relative.empty() && *relative.begin() != "..";
  return (below ? relative : normal).generic_string();
}

std::string shared_id(const std::vector<Input>& inputs) {
  std::map<std::string, std::string> paths;
  for (const Input& input : inputs) {
    const auto [at, fresh] = paths.emplace(input.id, input.path);
    if (!fresh) return input.id + " would be both " + at->second + " and " + input.path;
  }
  return "";
}

std::vector<Input> collect_inputs(const Options& options, ReportedPassedOver* passed_over) {
  return Collector(options, passed_over).collect();
}

Result<Input> the_input(const Options& options, const std::string& path) {
  Options only = options;
  only.paths = {path};
  std::vector<Input> inputs = collect_inputs(only);
  if (inputs.size() == 1) return std::move(inputs.front());
  return fail(ErrorCode::kConfigInvalid, 0,
              inputs.empty() ? fmt::format("{}: no model file in it", path)
                             : fmt::format("{}: {} files in it, among them {}; name one", path,
                                           inputs.size(), inputs.front().path));
}

Result<std::shared_ptr<Source>> open_input(const Input& input) {
  if (!input.error.empty()) return fail(ErrorCode::kReadFailed, 0, input.error);
  if (input.source) return input.source;
  return Source::open(input.path);
}

}  // namespace torchvet
