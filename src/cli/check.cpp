#include <utility>

#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/reports.h"
#include "cli/scan.h"
#include "cli/settings.h"
#include "cli/verbs.h"

namespace torchvet {

OrFaults<Report> report_of_files(const Options& options, const Settings& settings) {
  const auto wrong = [](const std::string& why) { return tl::unexpected(std::vector{why}); };
  if (options.paths.empty()) return wrong("no path given; `torchvet help check` says how");
  watch_interrupts();
  ReportedPassedOver passed_over;
  const std::vector<Input> inputs = collect_inputs(options, &passed_over);
  if (inputs.empty() && !options.allow_empty) {
    return wrong("no model file found; name one, or use --include, or --allow-empty");
  }
  if (const std::string shared = shared_id(inputs); !shared.empty()) return wrong(shared);
  Scanner scanner(settings);
  Report report = judge(scanner.check(inputs), settings.rules, settings.policy);
  report.libtorch = scanner.libtorch_version();
  report.passed_over = std::move(passed_over);
  return report;
}

int run_check(const Options& options, const std::vector<std::string>& argv) {
  const RunClock clock;
  const OrFaults<Settings> settings = make_settings(options, RuleSet::kArtifact);
  if (!settings) {
    complain(settings.error());
    return kExitError;
  }
  OrFaults<Report> report = report_of_files(options, *settings);
  if (!report) {
    complain(report.error());
    return kExitError;
  }
  clock.fill(*report, options, argv, settings->limits);
  return finish(*report, options, *settings);
}

}  // namespace torchvet
