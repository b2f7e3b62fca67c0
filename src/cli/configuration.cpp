#include "cli/configuration.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/suggest.h"

namespace torchvet {
namespace {

constexpr std::string_view kPrefix = "TORCHVET_";

bool contains(std::initializer_list<std::string_view> flags, std::string_view flag) {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

bool adds_up(const OptionRow& row) {
  return contains({"--severity", "--limit", "--ignore", "--extend-select", "--suppressions"},
                  row.flag);
}

bool chooses_rules(std::string_view flag) {
  return contains({"--select", "--ignore", "--extend-select"}, flag);
}

/// Puts a layer over weaker ones.
void put_over(Options& options, const std::vector<Given>& layer) {
  std::vector<Given>& all = options.given;
  const auto forget = [&](auto which) {
    all.erase(std::remove_if(all.begin(), all.end(), which), all.end());
  };
  const auto has = [&](std::string_view flag) {
    return std::any_of(layer.begin(), layer.end(),
                       [&](const Given& g) { return g.row->flag == flag; });
  };
  if (has("--select")) {
    forget([](const Given& old) { return chooses_rules(old.row->flag); });
    for (PathEntry& entry : options.path_entries) {
      if (entry.layer >= layer.front().layer) continue;
      entry.select.clear();
      entry.ignore.clear();
    }
  }
  if (has("--json") || has("--report")) {
    forget([](const Given& old) { return contains({"--json", "--report"}, old.row->flag); });
  }
  forget([&](const Given& old) { return !adds_up(*old.row) && has(old.row->flag); });
  all.insert(all.end(), layer.begin(), layer.end());
}

std::optional<std::string> switch_value(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (text == "1" || text == "true" || text == "yes" || text == "on") return "true";
  if (text == "0" || text == "false" || text == "no" || text == "off") return "false";
  return std::nullopt;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// The names of variables of all options, and those that programs around this one use.
bool is_known_variable(const std::string& name) {
  if (contains({"TORCHVET_WORKER", "TORCHVET_LIBTORCH", "TORCHVET_PYTHON"}, name)) return true;
  return std::any_of(option_table().begin(), option_table().end(),
                     [&](const OptionRow& row) { return variable_of(row) == name; });
}

/// A variable that is one slip away from an option would turn a gate off in silence.
void check_names(std::vector<std::string>& faults) {
  std::vector<std::string> known;
  for (const OptionRow& row : option_table()) {
    if (!variable_of(row).empty()) known.push_back(variable_of(row).substr(kPrefix.size()));
  }
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view entry(*variable);
    const std::string name(entry.substr(0, entry.find('=')));
    if (!name.starts_with(kPrefix) || is_known_variable(name)) continue;
    if (const auto meant = closest(name.substr(kPrefix.size()), known)) {
      faults.push_back(
          fmt::format("the environment variable {} is none of this program; did you mean {}{}?",
                      name, kPrefix, *meant));
    }
  }
}

/// Verbs that look at artifacts, and `config`.
bool reads_files(Verb verb) {
  return std::any_of(option_table().begin(), option_table().end(), [&](const OptionRow& row) {
    return row.flag == "--config" && (row.verbs & bit(verb)) != 0;
  });
}

std::vector<Given> from_environment(Verb verb, std::vector<std::string>& faults) {
  std::vector<Given> given;
  if (reads_files(verb)) check_names(faults);
  for (const OptionRow& row : option_table()) {
    const std::string name = variable_of(row);
    if ((row.verbs & bit(verb)) == 0 || name.empty()) continue;
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') continue;
    const auto add = [&](const std::string& text) {
      given.push_back({&row, text, name, Layer::kEnvironment});
    };
    if (std::holds_alternative<bool Options::*>(row.target)) {
      const std::optional<std::string> on = switch_value(value);
      if (on) add(*on);
      if (!on) faults.push_back(fmt::format("{}: `{}` is neither true nor false", name, value));
    } else if (std::holds_alternative<std::vector<std::string> Options::*>(row.target)) {
      for (const std::string& item : split_list(value)) add(item);
    } else {
      add(value);
    }
  }
  return given;
}

/// Reads a file and puts it over what there is; of its values those that the verb knows.
void add_file(const std::string& path, Layer layer, Options& options,
              std::vector<std::string>& faults) {
  OrFaults<ConfigFile> file = read_config_file(path, layer);
  if (!file) {
    faults.insert(faults.end(), file.error().begin(), file.error().end());
    return;
  }
  options.config_files.push_back(file->shown);
  std::vector<Given>& given = file->given;
  given.erase(
      std::remove_if(given.begin(), given.end(),
                     [&](const Given& one) { return (one.row->verbs & bit(options.verb)) == 0; }),
      given.end());
  put_over(options, given);
  options.path_entries.insert(options.path_entries.end(), file->paths.begin(), file->paths.end());
  options.suppressions.insert(options.suppressions.end(), file->suppressions.begin(),
                              file->suppressions.end());
}

/// A file of suppressions has no other settings.
void add_suppressions(const std::string& path, Options& options, std::vector<std::string>& faults) {
  const OrFaults<ConfigFile> file = read_config_file(path, Layer::kCommandLine);
  if (!file) {
    faults.insert(faults.end(), file.error().begin(), file.error().end());
  } else if (!file->given.empty() || !file->paths.empty()) {
    faults.push_back(
        fmt::format("{}: a file for --suppressions has no key but `suppressions`", path));
  } else {
    options.config_files.push_back(file->shown);
    options.suppressions.insert(options.suppressions.end(), file->suppressions.begin(),
                                file->suppressions.end());
  }
}

}  // namespace

OrFaults<Options> configure(const CommandLine& line) {
  std::vector<std::string> faults;
  Options options;
  options.verb = line.verb;
  options.paths = line.paths;
  options.root = project_root();
  std::vector<Given> environment = from_environment(line.verb, faults);
  const bool isolated = find_given(line.given, "--isolated") != nullptr ||
                        find_given(environment, "--isolated") != nullptr;
  if (find_given(line.given, "--isolated") != nullptr) {
    environment.clear();
    faults.clear();
  }
  if (reads_files(line.verb)) {
    const Given* named = find_given(line.given, "--config");
    if (named == nullptr) named = find_given(environment, "--config");
    const std::string user = isolated ? "" : find_user_file();
    const std::string project = named != nullptr ? named->value
                                : isolated       ? ""
                                                 : find_project_file();
    if (!user.empty() && user != project) add_file(user, Layer::kUserFile, options, faults);
    if (!project.empty()) add_file(project, Layer::kProjectFile, options, faults);
  }
  if (!environment.empty()) put_over(options, environment);
  if (!line.given.empty()) put_over(options, line.given);
  for (const Given& given : options.given) {
    if (const Result<void> ok = apply(given, options); !ok) faults.push_back(ok.error().detail);
  }
  for (const std::string& path : options.suppression_files) add_suppressions(path, options, faults);
  if (options.no_suppressions) options.suppressions.clear();
  if (!faults.empty()) return tl::unexpected(std::move(faults));
  return options;
}

}  // namespace torchvet
