#include "engine/baseline.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <utility>

#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/reports.h"
#include "cli/verbs.h"
#include "core/escape.h"
#include "engine/suggest.h"
#include "io/atomic_file.h"

namespace torchvet {
namespace {

namespace fs = std::filesystem;

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

/// Artifacts of a baseline that lie in a folder which the run looks through, and are there no more.
std::set<std::string> gone_from(const Options& options, const Baseline& baseline) {
  std::set<std::string> gone;
  for (const BaselineEntry& entry : baseline.entries) {
    for (const std::string& path : options.paths) {
      std::error_code failed;
      if (!fs::is_directory(path, failed)) continue;
      std::string folder = logical_path(path, options.root);
      while (folder.ends_with('/')) folder.pop_back();
      const bool below = folder == "." ? !entry.artifact.starts_with('/')
                                       : entry.artifact.starts_with(folder + "/");
      const bool there = fs::exists(fs::path(options.root) / entry.artifact, failed);
      if (below && !there && !failed) gone.insert(entry.artifact);
    }
  }
  return gone;
}

/// Leaves out what is stale.
Baseline pruned(const Baseline& old, const ReportedBaseline& reported) {
  std::set<std::string> stale;
  for (const BaselineEntry& entry : reported.stale) stale.insert(entry.fingerprint);
  Baseline kept;
  for (const BaselineEntry& entry : old.entries) {
    if (!stale.contains(entry.fingerprint)) kept.entries.push_back(entry);
  }
  return kept;
}

/// What could not be looked at; true when something could not be read at all.
bool say_what_is_missing(const Report& report) {
  bool unread = false;
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (!artifact.read_error.empty()) {
      unread = true;
      complain(fmt::format("{}: could not be read: {}", artifact.path, artifact.read_error));
    }
    for (const Gap& gap : artifact.gaps) {
      complain(fmt::format("{}: not analysed: {}: {}", artifact.path, gap.what, gap.why));
    }
  }
  return unread;
}

int write_file(const Options& options, const Report& report, const Baseline& baseline,
               const std::string& message) {
  const Result<void> done = write_atomically(options.baseline, baseline_text(baseline));
  if (!done) {
    complain(fmt::format("cannot write {}", done.error().detail));
    return kExitError;
  }
  const bool said = print(fmt::format("{}: {}\n", escape_text(options.baseline), message));
  if (!said) return kExitError;
  const bool complete = report.outcome != Outcome::kIncomplete || options.allow_incomplete;
  return complete ? kExitPass : kExitIncomplete;
}

std::string why_not(const Options& options, std::string_view action) {
  if (action != "write" && action != "prune") {
    return action.empty()
               ? "what with the baseline? `write` or `prune`"
               : fmt::format("no `torchvet baseline {}`{}", action,
                             did_you_mean(action, std::vector<std::string>{"write", "prune"}));
  }
  if (options.series && !options.against.empty()) return "--series, or --against: not both";
  return options.baseline.empty() ? "which file? --baseline FILE" : "";
}

/// The verb whose findings are accepted.
RuleSet rules_of(const Options& options) {
  if (options.series) return RuleSet::kSeries;
  return options.against.empty() ? RuleSet::kArtifact : RuleSet::kPair;
}

OrFaults<Report> report_of(const Options& options, const Settings& settings) {
  switch (rules_of(options)) {
    case RuleSet::kArtifact:
      return report_of_files(options, settings);
    case RuleSet::kSeries:
      return report_of_series(options, settings);
    case RuleSet::kPair:
      return report_of_pair(options, settings);
  }
  return report_of_files(options, settings);
}

}  // namespace

int run_baseline(const Options& given) {
  Options options = given;
  const std::string action = options.paths.empty() ? "" : options.paths.front();
  if (const std::string why = why_not(options, action); !why.empty()) {
    complain(why);
    return kExitError;
  }
  options.paths.erase(options.paths.begin());
  OrFaults<Settings> settings = make_settings(options, rules_of(options));
  if (!settings) {
    complain(settings.error());
    return kExitError;
  }
  // A file that is there must be a baseline, also to be replaced: the name may be a slip.
  OrFaults<Baseline> old = Baseline();
  std::error_code failed;
  if (action == "prune" || fs::exists(options.baseline, failed)) {
    old = read_baseline(options.baseline);
  }
  if (!old) {
    complain(old.error());
    return kExitError;
  }
  if (action == "prune") {
    settings->policy.gone = gone_from(options, *old);
    settings->policy.baseline = *old;
  }
  settings->policy.fail_on = std::nullopt;  // nothing gates here: an incomplete run stays one
  const OrFaults<Report> report = report_of(options, *settings);
  if (interrupted()) return kExitInterrupted;
  if (!report) {
    complain(report.error());
    return kExitError;
  }
  if (say_what_is_missing(*report)) return kExitError;
  if (action == "write") {
    const Baseline now = baseline_of(*report);
    return write_file(
        options, *report, now,
        fmt::format("{} of {} accepted", counted(now.entries.size(), "finding", "findings"),
                    counted(report->artifacts.size(), "artifact", "artifacts")));
  }
  const Baseline kept = pruned(*old, *report->baseline);
  const std::size_t removed = old->entries.size() - kept.entries.size();
  return write_file(
      options, *report, kept,
      fmt::format("{} removed, {} kept", counted(removed, "stale entry", "stale entries"),
                  kept.entries.size()));
}

}  // namespace torchvet
