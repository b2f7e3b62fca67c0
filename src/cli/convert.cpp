#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "report/json_read.h"
#include "report/json_shape.h"
#include "rules/registry.h"

namespace torchvet {
namespace {

/// The settings that writing takes; no rule runs and nothing is judged anew.
Result<Settings> settings_of(const Options& options) {
  Settings settings;
  Result<Limits> limits = make_limits(options);
  if (!limits) return tl::unexpected<Error>(limits.error());
  settings.limits = *limits;
  Result<std::vector<ReportTarget>> reports = make_reports(options);
  if (!reports) return tl::unexpected<Error>(reports.error());
  settings.reports = std::move(*reports);
  settings.show = *severity_from_name(options.show);
  settings.color = *when_from_name(options.color);
  return settings;
}

OrFaults<StoredReport> read_report(const Options& options, const Limits& limits) {
  const auto wrong = [](const std::string& why) { return tl::unexpected(std::vector{why}); };
  Input input;
  input.path = options.paths.front();
  if (input.path == "-") input = collect_inputs(options).front();
  const Result<std::shared_ptr<Source>> source = open_input(input);
  if (!source) return wrong(input.path + ": " + source.error().detail);
  OrFaults<StoredReport> stored = read_json_report((*source)->bytes().text(), all_rules(), limits);
  if ((*source)->changed_while_read()) return wrong(input.path + ": it changed while it was read");
  if (stored) return stored;
  std::vector<std::string> faults;
  for (const std::string& fault : stored.error()) faults.push_back(input.path + ": " + fault);
  return tl::unexpected(std::move(faults));
}

}  // namespace

int run_convert(const Options& options) {
  if (options.schema) return print(report_schema()) ? kExitPass : kExitError;
  if (options.paths.size() != 1) {
    complain("convert takes one report: `torchvet convert REPORT.json --report FMT[=FILE]`");
    return kExitError;
  }
  const Result<Settings> settings = settings_of(options);
  if (!settings) {
    complain(settings.error().detail);
    return kExitError;
  }
  OrFaults<StoredReport> stored = read_report(options, settings->limits);
  if (!stored) {
    complain(stored.error());
    return kExitError;
  }
  if (options.reproducible) stored->report.reproducible = true;
  return write_reports(stored->report, options, *settings) ? kExitPass : kExitError;
}

}  // namespace torchvet
