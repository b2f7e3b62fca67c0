#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace torchvet {

/// One function a verb, each in the file of its name. `argv` is the command line as given. They
/// return the exit code; messages go to standard error, results to standard output.
[[nodiscard]] int run_check(const Options& options, const std::vector<std::string>& argv);
[[nodiscard]] int run_drift(const Options& options, const std::vector<std::string>& argv);
[[nodiscard]] int run_convert(const Options& options);
[[nodiscard]] int run_diff(const Options& options, const std::vector<std::string>& argv);
[[nodiscard]] int run_baseline(const Options& options);
[[nodiscard]] int run_inspect(const Options& options);
[[nodiscard]] int run_explain(const Options& options);
[[nodiscard]] int run_rule_list(const Options& options);
/// Reads the configuration itself: what is wrong in it is what it may be about.
[[nodiscard]] int run_config(const CommandLine& line);
[[nodiscard]] int run_version(const Options& options);
[[nodiscard]] int run_completions(const Options& options);
[[nodiscard]] int run_man();

}  // namespace torchvet
