#include <fmt/format.h>

#include <exception>
#include <utility>

#include "cli/deadline.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/parallel.h"
#include "cli/scan.h"
#include "cli/settings.h"
#include "cli/verbs.h"
#include "engine/runner.h"
#include "formats/read.h"
#include "model/series.h"
#include "terminal/progress.h"
#include "values/values.h"

namespace torchvet {
namespace {

/// One checkpoint, read and measured.
struct Snapshot {
  Artifact artifact;
  std::string read_error;
};

Snapshot read_snapshot(const Input& input, const Settings& settings, const Deadline& deadline) {
  Snapshot snapshot;
  Artifact& artifact = snapshot.artifact;
  artifact.source.path = input.shown;
  if (deadline.over(artifact.gaps, "file")) return snapshot;
  try {
    const Result<std::shared_ptr<Source>> source = open_input(input);
    if (!source) {
      snapshot.read_error = source.error().detail;
      return snapshot;
    }
    artifact = read_artifact(*source, {settings.limits, /*graphs=*/false});
    artifact.source.path = input.shown;
    if (!deadline.over(artifact.gaps, "values")) {
      compute_values(artifact, series_plan(artifact), settings.limits);
    }
    if ((*source)->changed_while_read()) {
      artifact.add_gap("file", "it changed while it was read");
    }
    if (model_of(artifact).entries.empty()) {
      artifact.add_gap("series", "there is no model in it that could be compared");
    }
  } catch (const std::exception& error) {
    artifact.add_gap("file", fmt::format("internal error: {}", error.what()));
  }
  return snapshot;
}

std::string step_text(const std::optional<double>& step) {
  return step ? fmt::format("{}", *step) : std::string();
}

ReportedSeries describe(const Series& series) {
  ReportedSeries reported;
  reported.order = series.order;
  const std::vector<Track> tracks = tracks_of(series);
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    const Series::Snapshot& before = series.snapshots[to - 1];
    const Series::Snapshot& after = series.snapshots[to];
    ReportedInterval interval;
    interval.from = before.artifact->source.path;
    interval.to = after.artifact->source.path;
    interval.from_step = step_text(before.step);
    interval.to_step = step_text(after.step);
    for (const Track& track : tracks) {
      if (!track.is_parameter || (!track.at[to - 1] && !track.at[to])) continue;
      const Movement moved = movement(series, track, to);
      if (moved == Movement::kUnknown) {
        ++interval.unknown;
        continue;
      }
      ++interval.tensors;
      interval.moved += moved == Movement::kMoved ? 1 : 0;
    }
    reported.intervals.push_back(std::move(interval));
  }
  return reported;
}

/// The result for each input; every finding goes to the checkpoint that it names.
std::vector<Checked> assemble(const std::vector<Input>& inputs,
                              const std::vector<Snapshot>& snapshots,
                              std::vector<Finding> findings) {
  std::vector<Checked> checked;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Checked one;
    one.artifact = describe(inputs[i], snapshots[i].artifact);
    one.artifact.read_error = snapshots[i].read_error;
    checked.push_back(std::move(one));
  }
  for (Finding& finding : findings) {
    for (Checked& one : checked) {
      if (one.artifact.path != finding.where.artifact) continue;
      one.findings.push_back(std::move(finding));
      break;
    }
  }
  return checked;
}

}  // namespace

int run_drift(const Options& options, const std::vector<std::string>& argv) {
  const RunClock clock;
  const Result<Settings> settings = make_settings(options, /*series=*/true);
  if (!settings) {
    complain(settings.error().detail);
    return kExitError;
  }
  watch_interrupts();
  const std::vector<Input> inputs = collect_inputs(options);
  if (inputs.size() < 2) {
    complain(fmt::format("a series needs at least two checkpoints, and here {}; `torchvet help "
                         "drift` says how",
                         inputs.empty() ? "is none" : "is one"));
    return kExitError;
  }
  const Deadline deadline(settings->timeout);
  std::vector<Snapshot> snapshots(inputs.size());
  {
    Progress progress(use_progress(settings->progress), inputs.size());
    for_each_parallel(inputs.size(), settings->jobs, [&](std::size_t i) {
      progress.begin(inputs[i].shown);
      snapshots[i] = read_snapshot(inputs[i], *settings, deadline);
      progress.end(snapshots[i].artifact.source.size);
    });
  }
  std::vector<const Artifact*> comparable;
  for (const Snapshot& snapshot : snapshots) {
    if (!model_of(snapshot.artifact).entries.empty()) comparable.push_back(&snapshot.artifact);
  }
  const Series series = order_series(comparable);
  std::vector<Finding> findings;
  std::vector<Gap> gaps;
  if (series.snapshots.size() < 2) {
    gaps.push_back({"series", "fewer than two of its files hold a model"});
  } else {
    findings = run_series_rules(settings->rules, series, settings->intent, settings->limits, gaps);
  }
  Artifact& last = snapshots.back().artifact;
  last.gaps.insert(last.gaps.end(), gaps.begin(), gaps.end());
  Report report =
      judge(assemble(inputs, snapshots, std::move(findings)), settings->rules, settings->policy);
  report.series = describe(series);
  clock.fill(report, options, argv, settings->limits);
  return finish(report, options, *settings);
}

}  // namespace torchvet
