#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/config_json.h"
#include "cli/options.h"

namespace torchvet {

/// What a value in torchvet.json must be.
enum class ConfigType : std::uint8_t {
  kAnyText,
  kText,         ///< with more in it than spaces
  kOne,          ///< the number 1
  kOption,       ///< a text that the option takes
  kTorch,        ///< "2.9"
  kDate,         ///< "2026-01-31"
  kSha256,       ///< 64 hexadecimal digits in lower case
  kRule,         ///< a rule's code
  kRules,        ///< a list of codes, families, names and ALL
  kSeverities,   ///< such a word to note, warning or error
  kLimits,       ///< the name of a limit to a whole number
  kRuleOptions,  ///< a rule's code to an object; no rule has options yet
  kEntries,      ///< a list of objects with the keys in `fields`
};

/// A key of torchvet.json. The reader and the JSON schema are both made from this table, and so
/// cannot drift apart.
struct ConfigKey {
  std::string_view name;
  ConfigType type = ConfigType::kText;
  std::string_view help;
  bool required = false;
  std::string_view flag;  ///< of the option that it gives a value to; empty: none
  std::vector<ConfigKey> fields;
  std::string_view example;  ///< a value, for a first configuration; empty: none
};
[[nodiscard]] const std::vector<ConfigKey>& config_keys();
/// The keys of a baseline file.
[[nodiscard]] const std::vector<ConfigKey>& baseline_keys();

/// The row of a flag as `check` has it.
[[nodiscard]] const OptionRow* row_of_flag(std::string_view flag);

/// Codes, families and names of rules, and ALL.
[[nodiscard]] std::vector<std::string> rule_words();

/// Is this a version like "2.9" or "2.13.0"?
[[nodiscard]] bool is_torch_version(std::string_view text);

/// What is wrong in an object that should have these keys, each with "FILE:LINE: " before it, at
/// most 20.
[[nodiscard]] std::vector<std::string> config_faults(const ConfigNode& root,
                                                     const std::vector<ConfigKey>& keys,
                                                     std::string_view file);

/// The JSON schema (draft 2020-12) of torchvet.json, ended by a newline.
[[nodiscard]] std::string config_schema();

}  // namespace torchvet
