#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "cli/settings.h"
#include "engine/report.h"

namespace torchvet {

/// "torchvet: <message>" on standard error, escaped.
void complain(std::string_view message);

/// The same for each of several, on a line of its own.
void complain(const std::vector<std::string>& messages);

/// Writes to standard output. False, after complaining, when it cannot take all of it.
[[nodiscard]] bool print(std::string_view text);

/// Writes to standard error, as it is.
void say(std::string_view text);

/// The findings of a report, a line each, as standard error shows them.
[[nodiscard]] std::string concise_text(const Report& report, const Settings& settings);

/// The program's name and version, the command line and the clock of a run.
class RunClock {
 public:
  RunClock();
  void fill(Report& report, const Options& options, const std::vector<std::string>& argv,
            const Limits& limits) const;

 private:
  std::chrono::system_clock::time_point started_;
  std::chrono::steady_clock::time_point ticking_;
};

/// Writes every report that was asked for. False, after complaining, when one could not be written.
[[nodiscard]] bool write_reports(const Report& report, const Options& options,
                                 const Settings& settings);

/// Decides the exit code, writes every report that was asked for, and returns the code: kExitError
/// when one could not be written.
[[nodiscard]] int finish(Report& report, const Options& options, const Settings& settings);

}  // namespace torchvet
