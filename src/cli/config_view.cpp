#include "cli/config_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/config_keys.h"
#include "core/escape.h"
#include "engine/glob.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;
using Values = std::vector<std::pair<std::string, std::string>>;  ///< with their origins

constexpr std::string_view kDefault = "default";

/// The key in torchvet.json, or what it would be called there.
std::string name_of(const OptionRow& row) {
  for (const ConfigKey& key : config_keys()) {
    if (!key.flag.empty() && key.flag == row.flag) return std::string(key.name);
  }
  std::string name(row.flag.substr(2));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// What `check` would do; printing and asking for help are no settings.
std::vector<const OptionRow*> rows() {
  std::vector<const OptionRow*> out;
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(Verb::kCheck)) != 0 && row.flag != "--help") out.push_back(&row);
  }
  return out;
}

bool is_list(const OptionRow& row) {
  return std::holds_alternative<std::vector<std::string> Options::*>(row.target);
}

Values values_of(const OptionRow& row, const Options& options) {
  Values values;
  for (const Given& given : options.given) {
    if (given.row->flag == row.flag) values.emplace_back(given.value, given.origin);
  }
  if (!values.empty() || is_list(row)) return values;
  static const Options kDefaults;
  if (const auto* text = std::get_if<std::string Options::*>(&row.target)) {
    values.emplace_back(kDefaults.*(*text), kDefault);
  } else if (std::holds_alternative<bool Options::*>(row.target)) {
    values.emplace_back("false", kDefault);
  }
  return values;
}

std::string line(const std::string& name, const std::string& value, std::string_view origin) {
  return fmt::format("{:<18} {:<24} {}\n", name, value.empty() ? "-" : escape_text(value),
                     escape_text(origin));
}

std::string path_text(const PathEntry& entry) {
  std::string out = entry.match;
  const auto add = [&](std::string_view what, const std::vector<std::string>& words) {
    if (!words.empty()) out += fmt::format("; {} {}", what, fmt::join(words, ", "));
  };
  add("select", entry.select);
  add("ignore", entry.ignore);
  add("severity", entry.severity);
  if (!entry.artifact_id.empty()) out += "; artifact_id " + entry.artifact_id;
  return out;
}

std::string suppression_text(const Suppression& one) {
  std::string out = one.code + " in " + one.artifact;
  if (!one.object_path.empty()) out += ", " + one.object_path;
  out += ": " + one.reason;
  if (!one.expires.empty()) out += "; expires " + one.expires;
  if (!one.sha256.empty()) out += "; sha256 " + one.sha256;
  return one.owner.empty() ? out : out + "; owner " + one.owner;
}

std::string utf8(std::string_view raw) { return to_utf8(raw); }

Json texts(const std::vector<std::string>& raw) {
  Json out = Json::array();
  for (const std::string& text : raw) out.push_back(utf8(text));
  return out;
}

/// Where one of a rule's words comes from, for people: "`REG` (torchvet.json:4)".
std::string word_text(const std::string& word, std::initializer_list<std::string_view> flags,
                      const Options& options, const std::string& artifact_id) {
  std::string origin(kDefault);
  const bool ignored = *flags.begin() == "--ignore";
  for (const Given& given : options.given) {
    const bool asked = std::find(flags.begin(), flags.end(), given.row->flag) != flags.end();
    if (asked && given.value == word) origin = given.origin;
  }
  for (const PathEntry& entry : options.path_entries) {
    const std::vector<std::string>& words = ignored ? entry.ignore : entry.select;
    const bool says = std::find(words.begin(), words.end(), word) != words.end();
    if (says && glob_matches_path(entry.match, artifact_id)) origin = entry.origin;
  }
  return fmt::format("`{}` ({})", word, origin);
}

std::string run_text(const Rule& rule, const Options& options, const Selection& selection,
                     const std::string& artifact_id) {
  const Decision decision = decide(rule, selection);
  const std::string chosen =
      word_text(decision.chosen_by, {"--select", "--extend-select"}, options, artifact_id);
  if (decision.chosen_by.empty()) return "does not run: nothing selects it";
  if (decision.in_preview) return "does not run: it is in preview; name its code, or use --preview";
  if (!decision.runs) {
    return fmt::format("does not run: left out by {}, although selected by {}",
                       word_text(decision.ignored_by, {"--ignore"}, options, artifact_id), chosen);
  }
  if (options.no_values && rule.needs == Needs::kValues) {
    return fmt::format("does not run: it reads weights, and no_values is set ({})",
                       find_given(options.given, "--no-values")->origin);
  }
  std::string out = "runs: selected by " + chosen;
  if (!decision.ignored_by.empty()) {
    out += ", narrower than what leaves it out, " +
           word_text(decision.ignored_by, {"--ignore"}, options, artifact_id);
  }
  return rule.check_series == nullptr ? out : out + "; in `torchvet drift`";
}

}  // namespace

std::string config_text(const Options& options) {
  std::string out;
  for (const std::string& file : options.config_files) out += line("file", file, "read");
  out += line("root", options.root, "paths are relative to it");
  for (const OptionRow* row : rows()) {
    const Values values = values_of(*row, options);
    if (values.empty()) out += line(name_of(*row), "", kDefault);
    for (const auto& [value, origin] : values) out += line(name_of(*row), value, origin);
  }
  for (const PathEntry& entry : options.path_entries) {
    out += line("paths", path_text(entry), entry.origin);
  }
  for (const Suppression& one : options.suppressions) {
    out += line("suppressions", suppression_text(one), one.origin);
  }
  return out;
}

std::string config_json(const Options& options) {
  Json out = {{"root", utf8(options.root)}, {"files", texts(options.config_files)}};
  Json& all = out["values"] = Json::object();
  for (const OptionRow* row : rows()) {
    std::vector<std::string> values, origins;
    for (const auto& [value, origin] : values_of(*row, options)) {
      values.push_back(value);
      origins.push_back(origin);
    }
    if (origins.empty()) origins.emplace_back(kDefault);
    Json& entry = all[name_of(*row)] = Json::object();
    if (is_list(*row)) {
      entry["value"] = texts(values);
    } else if (std::holds_alternative<bool Options::*>(row->target)) {
      entry["value"] = values.back() == "true";
    } else {
      entry["value"] = utf8(values.back());
    }
    entry["from"] = texts(origins);
  }
  out["paths"] = Json::array();
  for (const PathEntry& entry : options.path_entries) {
    out["paths"].push_back({{"match", utf8(entry.match)},
                            {"select", texts(entry.select)},
                            {"ignore", texts(entry.ignore)},
                            {"severity", texts(entry.severity)},
                            {"artifact_id", utf8(entry.artifact_id)},
                            {"from", utf8(entry.origin)}});
  }
  out["suppressions"] = Json::array();
  for (const Suppression& one : options.suppressions) {
    out["suppressions"].push_back({{"code", one.code},
                                   {"artifact", utf8(one.artifact)},
                                   {"object_path", utf8(one.object_path)},
                                   {"reason", utf8(one.reason)},
                                   {"sha256", one.sha256},
                                   {"expires", one.expires},
                                   {"owner", utf8(one.owner)},
                                   {"from", utf8(one.origin)}});
  }
  return out.dump(2) + "\n";
}

std::string why_text(const Rule& rule, const Options& options, const Policy& policy,
                     const std::string& artifact_id) {
  std::string out = fmt::format("{} {}\n", rule.code, rule.name);
  const auto say = [&](const std::string& text) { out += "  " + escape_text(text, 2000) + "\n"; };
  const Selection selection =
      artifact_id.empty() ? policy.selection : selection_for(policy, artifact_id);
  say(run_text(rule, options, selection, artifact_id));
  const SeverityOverride* severity = severity_for(policy.severities, rule, artifact_id);
  say(severity == nullptr
          ? fmt::format("severity: {} at most ({})", torchvet::name_of(rule.severity), kDefault)
          : fmt::format("severity: {} ({})", torchvet::name_of(severity->severity),
                        severity->origin));
  for (const PathEntry& entry : options.path_entries) {
    const bool fits = artifact_id.empty() || glob_matches_path(entry.match, artifact_id);
    if (fits) say(fmt::format("for some files: {} ({})", path_text(entry), entry.origin));
  }
  for (const Suppression& one : policy.suppressions) {
    const bool fits = artifact_id.empty() || glob_matches_path(one.artifact, artifact_id);
    if (fits && one.code == rule.code) {
      say(fmt::format("suppressed: {} ({})", suppression_text(one), one.origin));
    }
  }
  return out;
}

std::string first_config() {
  std::string out =
      "{\n"
      "  // Configuration of torchvet. Take the slashes away before what you want to say.\n"
      "  // `torchvet config check` says what is wrong here, `torchvet config show` what is in "
      "force.\n";
  for (const ConfigKey& key : config_keys()) {
    if (key.example.empty()) continue;
    out += fmt::format("\n  // {}\n  // \"{}\": {},\n",
                       key.help.empty() ? row_of_flag(key.flag)->help : key.help, key.name,
                       key.example);
  }
  return out + "\n  \"version\": 1\n}\n";
}

}  // namespace torchvet
