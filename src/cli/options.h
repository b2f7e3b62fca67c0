#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"

namespace torchvet {

enum class Verb : std::uint8_t {
  kCheck,
  kDrift,
  kInspect,
  kExplain,
  kRules,
  kVersion,
  kCompletions,
  kHelp,
};
using Verbs = std::uint32_t;
[[nodiscard]] constexpr Verbs bit(Verb verb) { return 1u << static_cast<unsigned>(verb); }

/// The command line as it was written; `Settings` is what it means.
struct Options {
  Verb verb = Verb::kHelp;
  std::vector<std::string> paths;  ///< what stands on the line beside options

  std::vector<std::string> select, ignore, extend_select, severity;
  bool no_values = false;
  bool digest = false;
  std::string fail_on = "error";
  std::string min_confidence = "low";
  bool allow_incomplete = false, allow_empty = false;
  std::string purpose, target_device, target_torch;
  std::string show = "note";
  bool statistics = false, quiet = false, verbose = false;
  std::vector<std::string> report;
  bool json = false, reproducible = false;
  std::vector<std::string> include, exclude;
  std::string stdin_name = "<stdin>", path_prefix;
  bool follow_symlinks = false, isolated = false;
  std::vector<std::string> limit;
  bool follow = false;
  std::string idle;
  std::string timeout, jobs;
  std::string color = "auto", progress = "auto";
  std::vector<std::string> what;
  std::string format = "text";
  bool digests = false;
  bool values = false;
  bool help = false, version = false;
};

/// One option. This table is the only place where options are described: the parser, `--help` and
/// the shell completions are made from it.
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
};
[[nodiscard]] const std::vector<OptionRow>& option_table();

struct VerbRow {
  Verb verb;
  std::string_view name;
  std::string_view arguments;  ///< "[PATH...]"
  std::string_view help;
};
[[nodiscard]] std::span<const VerbRow> verb_table();
[[nodiscard]] const VerbRow& row_of(Verb verb);

/// Reads the command line (without the program's name). A first word that is no verb means `check`.
/// Errors: kConfigInvalid, with a suggestion for a mistyped option or value.
[[nodiscard]] Result<Options> parse_options(const std::vector<std::string>& arguments);

/// `--help` of the program (`Verb::kHelp`) or of a verb.
[[nodiscard]] std::string help_text(Verb verb);

}  // namespace torchvet
