#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/scan.h"
#include "cli/settings.h"
#include "cli/verbs.h"

namespace torchvet {

int run_check(const Options& options, const std::vector<std::string>& argv) {
  const RunClock clock;
  const Result<Settings> settings = make_settings(options, /*series=*/false);
  if (!settings) {
    complain(settings.error().detail);
    return kExitError;
  }
  if (options.paths.empty()) {
    complain("no path given; `torchvet help check` says how");
    return kExitError;
  }
  watch_interrupts();
  const std::vector<Input> inputs = collect_inputs(options);
  if (inputs.empty() && !options.allow_empty) {
    complain("no model file found; name one, or use --include, or --allow-empty");
    return kExitError;
  }
  Scanner scanner(*settings);
  Report report = judge(scanner.check(inputs), settings->rules, settings->policy);
  report.libtorch = scanner.libtorch_version();
  clock.fill(report, options, argv, settings->limits);
  return finish(report, options, *settings);
}

}  // namespace torchvet
