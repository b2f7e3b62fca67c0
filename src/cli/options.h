#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "engine/accepted.h"

namespace torchvet {

enum class Verb : std::uint8_t {
  kCheck,
  kDrift,
  kConvert,
  kDiff,
  kBaseline,
  kInspect,
  kExplain,
  kRules,
  kConfig,
  kVersion,
  kCompletions,
  kMan,
  kHelp,
};
using Verbs = std::uint32_t;
[[nodiscard]] constexpr Verbs bit(Verb verb) { return 1u << static_cast<unsigned>(verb); }

/// Who can say what an option is, from the weakest to the strongest.
enum class Layer : std::uint8_t {
  kDefault,
  kUserFile,
  kProjectFile,
  kEnvironment,
  kCommandLine,
};

struct OptionRow;

/// One value of an option, and who gave it. A list has one for each of its items.
struct Given {
  const OptionRow* row = nullptr;
  std::string value;   ///< "true" or "false" for a switch
  std::string origin;  ///< "torchvet.json:3", "TORCHVET_FAIL_ON", "--fail-on"
  Layer layer = Layer::kDefault;
};

/// Settings of a configuration file for some artifacts.
struct PathEntry {
  std::string match;  ///< glob for logical paths
  std::vector<std::string> select, ignore;
  std::vector<std::string> severity;  ///< "CODE=level"
  std::string artifact_id;
  std::string origin;
  Layer layer = Layer::kProjectFile;
};

/// What was asked for, by all layers together; `Settings` is what it means.
struct Options {
  Verb verb = Verb::kHelp;
  std::vector<std::string> paths;  ///< what stands on the line beside options

  std::vector<Given> given;  ///< what is not a default, the strongest last
  std::vector<PathEntry> path_entries;
  std::vector<Suppression> suppressions;
  std::vector<std::string> config_files;  ///< that were read, as shown to people
  std::string root;  ///< the folder that logical paths are relative to; empty: the current one

  std::vector<std::string> select, ignore, extend_select, severity;
  bool preview = false;
  bool no_values = false;
  bool digest = false;
  std::string fail_on = "error";
  std::string min_confidence = "low";
  bool allow_incomplete = false, allow_empty = false;
  std::string purpose, target_device, target_torch;
  std::string expect, against;
  std::string baseline;
  std::vector<std::string> suppression_files;
  bool no_suppressions = false, show_suppressed = false;
  std::string show = "note";
  bool statistics = false, quiet = false, verbose = false;
  std::vector<std::string> report;
  bool json = false, reproducible = false, schema = false;
  std::vector<std::string> include, exclude;
  std::string stdin_name = "<stdin>", path_prefix, artifact_id;
  bool follow_symlinks = false;
  std::string config;
  bool isolated = false;
  std::vector<std::string> limit;
  bool follow = false;
  std::string idle;
  std::string timeout, jobs, max_memory;
  std::string color = "auto", progress = "auto";
  std::vector<std::string> what;
  std::string format = "text";
  bool digests = false;
  bool values = false;
  bool series = false;
  bool help = false, version = false;
};

/// One option. This table is the only place where options are described: the parser, the names of
/// environment variables, `--help` and the shell completions are made from it.
struct OptionRow {
  std::string_view flag;   ///< "--select"
  std::string_view brief;  ///< "-q", or empty
  std::string_view value;  ///< what follows, for people: "RULES"; empty for a switch
  std::string_view help;
  std::string_view group;
  Verbs verbs = 0;
  std::variant<bool Options::*, std::string Options::*, std::vector<std::string> Options::*> target;
  std::vector<std::string_view> choices;  ///< the only values allowed; empty: any
  bool takes_path = false;                ///< completed by file names
  std::vector<std::string_view> words;    ///< that its value can begin with, for completions
};
[[nodiscard]] const std::vector<OptionRow>& option_table();

struct Example {
  std::string_view command;
  std::string_view what;  ///< it is good for; empty: it says so itself
};

struct VerbRow {
  Verb verb;
  std::string_view name;
  std::string_view arguments;  ///< "[PATH...]"
  std::string_view help;
  std::string_view words;  ///< that its first argument can be, with spaces between; empty: anything
  std::span<const Example> examples;
};
[[nodiscard]] std::span<const VerbRow> verb_table();
[[nodiscard]] const VerbRow& row_of(Verb verb);

/// "TORCHVET_FAIL_ON" for "--fail-on"; empty for what only a command line can ask: help and
/// version.
[[nodiscard]] std::string variable_of(const OptionRow& row);

/// The command line as it was written.
struct CommandLine {
  Verb verb = Verb::kHelp;
  std::vector<std::string> paths;
  std::vector<Given> given;
};

/// Reads the command line (without the program's name). A first word that is no verb means `check`.
/// Errors: kConfigInvalid, with a suggestion for a mistyped option, and for a mistyped verb where no
/// file has its name.
[[nodiscard]] Result<CommandLine> parse_command_line(const std::vector<std::string>& arguments);

/// Puts a value where its option wants it.
/// Errors: kConfigInvalid, naming the origin, for a value that is none of the choices.
[[nodiscard]] Result<void> apply(const Given& given, Options& options);

/// The strongest value of an option; nothing when it was not given, or is a switch that is off.
[[nodiscard]] const Given* find_given(const std::vector<Given>& given, std::string_view flag);

/// `--help` of the program (`Verb::kHelp`) or of a verb.
[[nodiscard]] std::string help_text(Verb verb);

struct ExitCodeRow {
  int code;
  std::string_view meaning;
};
/// What the process can end with, for people.
[[nodiscard]] std::span<const ExitCodeRow> exit_code_table();

}  // namespace torchvet
