#include "cli/output.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/acceptance.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "core/escape.h"
#include "io/atomic_file.h"
#include "report/text.h"

namespace torchvet {
namespace {

int exit_code_of(const Report& report, const Options& options) {
  switch (report.outcome) {
    case Outcome::kPass:
      return kExitPass;
    case Outcome::kFail:
      return kExitFail;
    case Outcome::kIncomplete:
      return options.allow_incomplete ? kExitPass : kExitIncomplete;
    case Outcome::kError:
      return kExitError;
  }
  return kExitError;
}

TextOptions look_of(const Options& options, const Settings& settings, const ReportTarget& target) {
  TextOptions text;
  if (target.file.empty()) {
    text.color = use_color(settings.color, STDOUT_FILENO);
    text.width = columns(STDOUT_FILENO);
    text.height = rows(STDOUT_FILENO);
    text.blocks = use_blocks(STDOUT_FILENO);
  }
  text.show = settings.show;
  text.quiet = options.quiet;
  text.verbose = options.verbose;
  text.statistics = options.statistics;
  text.show_accepted = options.show_suppressed;
  return text;
}

}  // namespace

void complain(std::string_view message) {
  constexpr std::size_t kLongest = 4000;
  const std::string line = fmt::format("torchvet: {}\n", escape_text(message, kLongest));
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void complain(const std::vector<std::string>& messages) {
  for (const std::string& message : messages) complain(message);
}

bool print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return true;
  complain(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  return false;
}

void say(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

std::string concise_text(const Report& report, const Settings& settings) {
  TextOptions text;
  text.color = use_color(settings.color, STDERR_FILENO);
  text.show = settings.show;
  return concise_report(report, text);
}

RunClock::RunClock()
    : started_(std::chrono::system_clock::now()), ticking_(std::chrono::steady_clock::now()) {}

void RunClock::fill(Report& report, const Options& options, const std::vector<std::string>& argv,
                    const Limits& limits) const {
  report.version = TORCHVET_VERSION;
  report.argv = argv;
  report.config_files = options.config_files;
  report.limits = limits;
  report.reproducible = options.reproducible;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(started_);
  report.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
  report.duration_ms =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::steady_clock::now() - ticking_)
                                     .count());
}

int finish(Report& report, const Options& options, const Settings& settings) {
  if (interrupted()) {
    report.outcome = Outcome::kIncomplete;  // whatever was found until then
    report.exit_code = kExitInterrupted;
  } else {
    report.exit_code = exit_code_of(report, options);
  }
  const bool all_written = write_reports(report, options, settings);
  complain(acceptance_notes(report));
  return all_written ? report.exit_code : kExitError;
}

bool write_reports(const Report& report, const Options& options, const Settings& settings) {
  bool all_written = true;
  for (const ReportTarget& target : settings.reports) {
    const std::string text = target.format->write(report, look_of(options, settings, target));
    if (target.file.empty()) {
      all_written = print(text) && all_written;
    } else if (const Result<void> done = write_atomically(target.file, text); !done) {
      complain(fmt::format("cannot write {}", done.error().detail));
      all_written = false;
    }
  }
  return all_written;
}

}  // namespace torchvet
