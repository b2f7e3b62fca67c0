#include "cli/cli.h"

#include <csignal>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "cli/configuration.h"
#include "cli/exit_code.h"
#include "cli/first_words.h"
#include "cli/memory_cap.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "engine/suggest.h"

namespace torchvet {
namespace {

int run_help(const CommandLine& line) {
  if (find_given(line.given, "--version") != nullptr) return run_version(Options());
  Verb about = Verb::kHelp;
  if (!line.paths.empty()) {
    std::vector<std::string> names;
    for (const VerbRow& row : verb_table()) {
      names.emplace_back(row.name);
      if (row.name == line.paths.front()) about = row.verb;
    }
    if (about == Verb::kHelp && line.paths.front() != "help") {
      const std::string& word = line.paths.front();
      complain("no command `" + word + "`" + did_you_mean(word, names));
      return kExitError;
    }
  }
  return print(help_text(about)) ? kExitPass : kExitError;
}

Result<void> cap_memory(const Options& options) {
  const Result<std::optional<MemoryCap>> cap = make_memory_cap(options);
  if (!cap) return tl::unexpected<Error>(cap.error());
  return *cap ? apply(**cap) : Result<void>();
}

int dispatch(const std::vector<std::string>& argv) {
  if (argv.size() < 2) {
    say(first_words("."));
    return kExitError;
  }
  const Result<CommandLine> line = parse_command_line({argv.begin() + 1, argv.end()});
  if (!line) {
    complain(line.error().detail);
    return kExitError;
  }
  if (line->verb == Verb::kHelp) return run_help(*line);
  if (find_given(line->given, "--help") != nullptr) {
    return print(help_text(line->verb)) ? kExitPass : kExitError;
  }
  if (line->verb == Verb::kConfig) return run_config(*line);
  const OrFaults<Options> options = configure(*line);
  if (!options) {
    complain(options.error());
    return kExitError;
  }
  if (const Result<void> ok = cap_memory(*options); !ok) {
    complain(ok.error().detail);
    return kExitError;
  }
  switch (line->verb) {
    case Verb::kCheck:
      return run_check(*options, argv);
    case Verb::kDrift:
      return run_drift(*options, argv);
    case Verb::kConvert:
      return run_convert(*options);
    case Verb::kDiff:
      return run_diff(*options, argv);
    case Verb::kBaseline:
      return run_baseline(*options);
    case Verb::kInspect:
      return run_inspect(*options);
    case Verb::kExplain:
      return run_explain(*options);
    case Verb::kRules:
      return run_rule_list(*options);
    case Verb::kVersion:
      return run_version(*options);
    case Verb::kCompletions:
      return run_completions(*options);
    case Verb::kMan:
      return run_man();
    case Verb::kConfig:
    case Verb::kHelp:
      break;
  }
  return kExitError;
}

}  // namespace

int run_cli(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is a failed write, not a silent end
  try {
    return dispatch({argv, argv + argc});
  } catch (const std::bad_alloc&) {
    complain("there is not enough memory");
  } catch (const std::exception& error) {
    complain(std::string("internal error: ") + error.what());
  } catch (...) {
    complain("internal error");
  }
  return kExitError;
}

}  // namespace torchvet
