#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <optional>

#include "engine/suggest.h"

// The only file that includes CLI11: it is large, and nobody else should depend on its ways. It is
// handed one verb's options; its exceptions and exit codes end here.

namespace torchvet {
namespace {

std::optional<Verb> verb_named(std::string_view word) {
  for (const VerbRow& row : verb_table()) {
    if (row.name == word) return row.verb;
  }
  return std::nullopt;
}

tl::unexpected<Error> wrong(std::string detail) {
  return fail(ErrorCode::kConfigInvalid, 0, std::move(detail));
}

/// A mistyped verb would be taken for a path to check, and its options for wrong ones.
Result<void> check_first_word(const std::string& word) {
  std::vector<std::string> names;
  for (const VerbRow& row : verb_table()) names.emplace_back(row.name);
  const std::string meant = did_you_mean(word, names);
  std::error_code ignored;
  if (word.starts_with('-') || meant.empty() || std::filesystem::exists(word, ignored)) return {};
  return wrong(fmt::format("there is neither a command nor a file `{}`{}", word, meant));
}

/// Options that may stand before any verb and then mean the program, not `check`.
bool is_program_option(std::string_view word) {
  return word == "--help" || word == "-h" || word == "--version" || word == "-V";
}

void bind(CLI::App& app, const OptionRow& row, Options& options) {
  const std::string names =
      row.brief.empty() ? std::string(row.flag) : fmt::format("{},{}", row.brief, row.flag);
  if (const auto* flag = std::get_if<bool Options::*>(&row.target)) {
    app.add_flag(names, options.*(*flag));
  } else if (const auto* text = std::get_if<std::string Options::*>(&row.target)) {
    app.add_option(names, options.*(*text))->take_last();
  } else if (const auto* list = std::get_if<std::vector<std::string> Options::*>(&row.target)) {
    app.add_option(names, options.*(*list))->allow_extra_args(false)->delimiter(',')->take_all();
  }
}

Result<void> check_choice(const Given& given) {
  const std::vector<std::string> choices(given.row->choices.begin(), given.row->choices.end());
  const bool known = std::find(choices.begin(), choices.end(), given.value) != choices.end();
  if (choices.empty() || known) return {};
  return wrong(fmt::format("{}: `{}` is none of {}{}", given.origin, given.value,
                           fmt::join(choices, ", "), did_you_mean(given.value, choices)));
}

/// What CLI11 has put into `parsed` for an option that stood on the line.
void add_given(const OptionRow& row, const Options& parsed, std::vector<Given>& given) {
  const auto add = [&](const std::string& value) {
    given.push_back({&row, value, std::string(row.flag), Layer::kCommandLine});
  };
  if (const auto* flag = std::get_if<bool Options::*>(&row.target)) {
    add(parsed.*(*flag) ? "true" : "false");
  } else if (const auto* text = std::get_if<std::string Options::*>(&row.target)) {
    add(parsed.*(*text));
  } else if (const auto* list = std::get_if<std::vector<std::string> Options::*>(&row.target)) {
    for (const std::string& value : parsed.*(*list)) add(value);
  }
}

Result<void> check_unknown(const std::vector<std::string>& left_over, Verb verb) {
  for (const std::string& word : left_over) {
    if (word == "--") continue;
    std::vector<std::string> known;
    for (const OptionRow& row : option_table()) {
      if ((row.verbs & bit(verb)) != 0) known.emplace_back(row.flag);
    }
    const std::string flag = word.substr(0, word.find('='));
    const VerbRow& row = row_of(verb);
    return wrong(fmt::format("unknown option {} for `torchvet {}`{}", flag, row.name,
                             did_you_mean(flag, known)));
  }
  return {};
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  std::vector<std::string> rest = arguments;
  if (!rest.empty()) {
    const std::optional<Verb> verb = verb_named(rest.front());
    if (verb) {
      rest.erase(rest.begin());
    } else if (Result<void> ok = check_first_word(rest.front()); !ok) {
      return tl::unexpected<Error>(ok.error());
    }
    line.verb = verb ? *verb : is_program_option(rest.front()) ? Verb::kHelp : Verb::kCheck;
  }
  Options parsed;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(line.verb)) != 0) bind(app, row, parsed);
  }
  app.add_option("paths", line.paths);
  try {
    std::reverse(rest.begin(), rest.end());  // CLI11 takes its arguments from the back
    app.parse(rest);
  } catch (const CLI::ParseError& error) {
    return wrong(error.what());
  }
  if (Result<void> ok = check_unknown(app.remaining(), line.verb); !ok) {
    return tl::unexpected<Error>(ok.error());
  }
  for (const OptionRow& row : option_table()) {
    const bool known = (row.verbs & bit(line.verb)) != 0;
    if (known && app.count(std::string(row.flag)) > 0) add_given(row, parsed, line.given);
  }
  return line;
}

Result<void> apply(const Given& given, Options& options) {
  if (Result<void> ok = check_choice(given); !ok) return ok;
  if (const auto* flag = std::get_if<bool Options::*>(&given.row->target)) {
    options.*(*flag) = given.value == "true";
  } else if (const auto* text = std::get_if<std::string Options::*>(&given.row->target)) {
    options.*(*text) = given.value;
  } else if (const auto* list =
                 std::get_if<std::vector<std::string> Options::*>(&given.row->target)) {
    (options.*(*list)).push_back(given.value);
  }
  return {};
}

const Given* find_given(const std::vector<Given>& given, std::string_view flag) {
  const auto found = std::find_if(given.rbegin(), given.rend(),
                                  [&](const Given& one) { return one.row->flag == flag; });
  const bool on = found != given.rend() && found->value != "false";
  return on ? &*found : nullptr;
}

}  // namespace torchvet
