#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "cli/exit_code.h"
#include "cli/follow.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/reports.h"
#include "cli/series_scan.h"
#include "cli/settings.h"
#include "cli/verbs.h"
#include "engine/runner.h"
#include "engine/series_report.h"

namespace torchvet {
namespace {

/// What cannot be watched; empty when all can. A folder may still be empty, but it must be there.
std::string not_followed(const Options& options) {
  if (options.paths.empty()) return "--follow needs a folder or files to watch";
  for (const std::string& path : options.paths) {
    std::error_code ignored;
    if (path == "-") return "standard input cannot be watched";
    if (!std::filesystem::exists(path, ignored)) return path + ": no such file or folder to watch";
  }
  return "";
}

/// The rules look at the series as a whole: at each of its checkpoints, and at no other file.
void skip_outside(const Series& series, std::span<const Rule* const> rules,
                  std::vector<ReportedArtifact>& artifacts) {
  std::set<std::string_view> inside;
  if (series.snapshots.size() >= 2) {
    for (const Series::Snapshot& snapshot : series.snapshots) inside.insert(snapshot.path);
  }
  for (ReportedArtifact& artifact : artifacts) {
    if (!inside.contains(artifact.path)) {
      artifact.skipped = {skip_all(rules, "it is in no series that could be compared")};
    }
  }
}

}  // namespace

OrFaults<Report> report_of_series(const Options& options, const Settings& settings) {
  const auto wrong = [](const std::string& why) { return tl::unexpected(std::vector{why}); };
  watch_interrupts();
  if (const std::string why = options.follow ? not_followed(options) : ""; !why.empty()) {
    return wrong(why);
  }
  ReportedPassedOver passed_over;
  const std::vector<Input> inputs =
      options.follow ? std::vector<Input>() : collect_inputs(options, &passed_over);
  if (!options.follow && inputs.size() < 2) {
    return wrong(
        fmt::format("a series needs at least two checkpoints, and here {}; `torchvet help "
                    "drift` says how",
                    inputs.empty() ? "is none" : "is one"));
  }
  if (const std::string shared = shared_id(inputs); !shared.empty()) return wrong(shared);
  ScannedSeries scanned =
      options.follow ? follow_series(options, settings) : scan_series(inputs, settings);
  if (scanned.artifacts.empty()) return wrong("no checkpoint came");
  const Series& series = scanned.series;
  std::vector<Finding> findings;
  std::vector<Gap> gaps;
  if (series.snapshots.size() < 2) {
    gaps.push_back({"series", "fewer than two of its files hold a model"});
  } else {
    findings = run_series_rules(settings.rules, series, settings.intent, settings.limits, gaps);
  }
  skip_outside(series, settings.rules, scanned.artifacts);
  std::vector<Gap>& last = scanned.artifacts.back().gaps;
  last.insert(last.end(), gaps.begin(), gaps.end());
  Report report = judge(assign_findings(std::move(scanned.artifacts), std::move(findings)),
                        settings.rules, settings.policy);
  report.series = report_of(series);
  report.passed_over = std::move(passed_over);
  return report;
}

int run_drift(const Options& options, const std::vector<std::string>& argv) {
  const RunClock clock;
  const OrFaults<Settings> settings = make_settings(options, RuleSet::kSeries);
  if (!settings) {
    complain(settings.error());
    return kExitError;
  }
  OrFaults<Report> report = report_of_series(options, *settings);
  if (!report) {
    complain(report.error());
    return interrupted() ? kExitInterrupted : kExitError;
  }
  clock.fill(*report, options, argv, settings->limits);
  return finish(*report, options, *settings);
}

}  // namespace torchvet
