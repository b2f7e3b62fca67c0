#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/config_keys.h"
#include "cli/config_view.h"
#include "cli/configuration.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/escape.h"
#include "engine/suggest.h"
#include "rules/registry.h"

namespace torchvet {
namespace {

int fault(const std::string& message) {
  complain(message);
  return kExitError;
}

int faults(const std::vector<std::string>& messages) {
  complain(messages);
  return kExitError;
}

/// Reads the files alone: what is wrong on the command line or in the environment is not asked.
int check_files(const CommandLine& line) {
  std::vector<std::string> files(line.paths.begin() + 1, line.paths.end());
  if (files.empty()) {
    for (const std::string& found : {find_user_file(), find_project_file()}) {
      if (!found.empty() && (files.empty() || files.front() != found)) files.push_back(found);
    }
  }
  if (files.empty()) return fault("no torchvet.json here, in the repository or of the user");
  bool good = true;
  std::string out;
  for (const std::string& path : files) {
    const OrFaults<ConfigFile> file = read_config_file(path, Layer::kProjectFile);
    good = good && file;
    if (!file) complain(file.error());
    if (file) out += fmt::format("{}: nothing is wrong\n", escape_text(file->shown));
  }
  return print(out) && good ? kExitPass : kExitError;
}

int show(const Options& options) {
  const Result<Policy> policy = make_policy(options);
  if (!policy) return fault(policy.error().detail);
  const bool json = options.json || options.format == "json";
  return print(json ? config_json(options) : config_text(options)) ? kExitPass : kExitError;
}

int why(const Options& options) {
  if (options.paths.size() < 2) return fault("which rule? `torchvet config why CODE [PATH]`");
  if (options.paths.size() > 3) return fault("one file: `torchvet config why CODE [PATH]`");
  const Result<Policy> policy = make_policy(options);
  if (!policy) return fault(policy.error().detail);
  const Result<std::vector<const Rule*>> rules = match_rules(options.paths[1], all_rules());
  if (!rules) return fault(rules.error().detail);
  std::string artifact;
  if (options.paths.size() == 3) artifact = input_named(options.paths[2], options).id;
  std::string out;
  for (const Rule* rule : *rules) out += why_text(*rule, options, *policy, artifact);
  return print(out) ? kExitPass : kExitError;
}

/// Makes the file or leaves what is there alone, also when somebody else makes it at the same time.
int init() {
  const std::string name = "torchvet.json";
  const int descriptor = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0 && errno == EEXIST)
    return fault(name + " is there already and stays as it is");
  if (descriptor < 0) return fault(fmt::format("cannot write {}: {}", name, std::strerror(errno)));
  const std::string text = first_config();
  const bool written =
      write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int reason = errno;
  if (close(descriptor) != 0 || !written) {
    unlink(name.c_str());
    return fault(fmt::format("cannot write {}: {}", name, std::strerror(reason)));
  }
  return print(name + ": written; `torchvet config show` says what is in force\n") ? kExitPass
                                                                                   : kExitError;
}

}  // namespace

int run_config(const CommandLine& line) {
  const std::string action = line.paths.empty() ? "" : line.paths.front();
  if (action == "check") return check_files(line);
  if (action == "init") return init();
  if (action == "schema") return print(config_schema()) ? kExitPass : kExitError;
  if (action == "show" || action == "why") {
    const OrFaults<Options> options = configure(line);
    if (!options) return faults(options.error());
    return action == "show" ? show(*options) : why(*options);
  }
  const std::vector<std::string> actions = {"show", "check", "why", "init", "schema"};
  return fault(action.empty()
                   ? "what of the configuration? show, check, why, init or schema"
                   : "no `torchvet config " + action + "`" + did_you_mean(action, actions));
}

}  // namespace torchvet
