#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
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

tl::unexpected<Error> wrong(std::string detail) {
  return fail(ErrorCode::kConfigInvalid, 0, std::move(detail));
}

Result<void> check_choice(const OptionRow& row, const std::string& value) {
  if (std::find(row.choices.begin(), row.choices.end(), value) != row.choices.end()) return {};
  const std::vector<std::string> choices(row.choices.begin(), row.choices.end());
  return wrong(fmt::format("{}: `{}` is none of {}{}", row.flag, value, fmt::join(choices, ", "),
                           did_you_mean(value, choices)));
}

Result<void> check_choices(const Options& options) {
  const Options defaults;
  for (const OptionRow& row : option_table()) {
    if (row.choices.empty() || (row.verbs & bit(options.verb)) == 0) continue;
    if (const auto* text = std::get_if<std::string Options::*>(&row.target)) {
      if (options.*(*text) == defaults.*(*text)) continue;
      if (Result<void> ok = check_choice(row, options.*(*text)); !ok) return ok;
    } else if (const auto* list = std::get_if<std::vector<std::string> Options::*>(&row.target)) {
      for (const std::string& value : options.*(*list)) {
        if (Result<void> ok = check_choice(row, value); !ok) return ok;
      }
    }
  }
  return {};
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

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Options options;
  std::vector<std::string> rest = arguments;
  if (!rest.empty()) {
    const std::optional<Verb> verb = verb_named(rest.front());
    if (verb) rest.erase(rest.begin());
    options.verb = verb ? *verb : is_program_option(rest.front()) ? Verb::kHelp : Verb::kCheck;
  }
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(options.verb)) != 0) bind(app, row, options);
  }
  app.add_option("paths", options.paths);
  try {
    std::reverse(rest.begin(), rest.end());  // CLI11 takes its arguments from the back
    app.parse(rest);
  } catch (const CLI::ParseError& error) {
    return wrong(error.what());
  }
  if (Result<void> ok = check_unknown(app.remaining(), options.verb); !ok) {
    return tl::unexpected<Error>(ok.error());
  }
  if (Result<void> ok = check_choices(options); !ok) return tl::unexpected<Error>(ok.error());
  return options;
}

}  // namespace torchvet
