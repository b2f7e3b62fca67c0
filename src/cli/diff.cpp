// Compatibility of two files: the old one becomes an expectation, and the new one is judged by it
// with the rules of the family CTR, as `check --expect` judges by a contract.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/reports.h"
#include "cli/scan.h"
#include "cli/series_reader.h"
#include "cli/settings.h"
#include "cli/shown_model.h"
#include "cli/verbs.h"
#include "engine/diff_report.h"
#include "engine/runner.h"
#include "model/contract.h"
#include "rules/registry.h"
#include "values/values.h"

namespace torchvet {
namespace {

/// The tensors of the new file that may be tensors of the old one under other names, and those.
void read_moved(Artifact& old, Artifact& artifact, Expectation& expectation, const Limits& limits) {
  const MovedPlans plans = plan_moved(expectation, compare_with(expectation, artifact), artifact);
  compute_values(old, plans.expected, limits);
  compute_values(artifact, plans.file, limits);
  for (ExpectedTensor& expected : expectation.tensors) {
    if (!expected.tensor) continue;
    const std::optional<ValueFacts>& values = old.tensors[*expected.tensor].values;
    if (values) expected.digest = values->digest;
  }
}

std::size_t found_in(const Expectation& expectation, const Artifact& artifact) {
  const Comparison comparison = compare_with(expectation, artifact);
  const auto missing =
      std::count_if(comparison.changes.begin(), comparison.changes.end(),
                    [](const Change& change) { return change.kind == ChangeKind::kMissing; });
  return expectation.tensors.size() - static_cast<std::size_t>(missing);
}

/// What is expected of the new file: all models of the old one, and where the new one has only one
/// of several, the one that is most like it. The others are then not compared, which is a gap.
/// Without tensors when the old file holds no model.
Expectation expected_of(Artifact& old, const Artifact& artifact) {
  const std::vector<ModelView> models = model_views(old);
  if (models.empty()) return {};
  Expectation best = expectation_of(old, models.front());
  if (models.size() == 1 || model_views(artifact).size() != 1) return best;
  constexpr std::size_t kMostTried = 16;
  std::size_t most = found_in(best, artifact), chosen = 0;
  for (std::size_t i = 1; i < std::min(models.size(), kMostTried); ++i) {
    Expectation one = expectation_of(old, models[i]);
    const std::size_t found = found_in(one, artifact);
    if (found <= most && chosen != 0) continue;
    most = found;
    chosen = i;
    best = std::move(one);
  }
  old.add_gap(
      "other models",
      fmt::format("the new file has one model, which was compared with `{}`", models[chosen].path));
  return best;
}

class Pair {
 public:
  Pair(const Settings& settings, Input against, Input input)
      : settings_(settings),
        reader_(settings),
        against_(std::move(against)),
        input_(std::move(input)) {}

  OrFaults<Report> judge_new() {
    Checked before, after;
    const std::unique_ptr<Opened> old = reader_.open(against_, before.artifact);
    const std::unique_ptr<Opened> opened = reader_.open(input_, after.artifact);
    std::optional<ReportedDiff> diff;
    if (old && opened) {
      Expectation expectation = expected_of(old->artifact, opened->artifact);
      if (expectation.tensors.empty() && old->artifact.gaps.empty()) {
        return tl::unexpected(std::vector{
            fmt::format("{}: there is no model in it to compare with", against_.shown)});
      }
      diff = compare(*old, *opened, std::move(expectation), after.findings);
    }
    finish(against_, old.get(), before.artifact);
    finish(input_, opened.get(), after.artifact);
    if (opened && settings_.show_models) {
      after.artifact.model =
          read_shown_model(opened->artifact, {}, settings_, reader_.deadline());
    }
    before.artifact.skipped = {skip_all(settings_.rules, "the other file is compared with it")};
    if (!diff) after.artifact.skipped = {skip_all(settings_.rules, "the file was not compared")};
    std::vector<Checked> both;
    both.push_back(std::move(after));
    both.push_back(std::move(before));
    Report report = judge(std::move(both), settings_.rules, settings_.policy);
    report.diff = std::move(diff);
    return report;
  }

 private:
  std::optional<ReportedDiff> compare(Opened& old, Opened& opened, Expectation expectation,
                                      std::vector<Finding>& findings) {
    Artifact& artifact = opened.artifact;
    if (expectation.tensors.empty()) return std::nullopt;  // the gap says why
    if (!settings_.skip_values && !reader_.deadline().over(artifact.gaps, "values")) {
      read_moved(old.artifact, artifact, expectation, settings_.limits);
    }
    // What could not be read is a gap; to call it missing would be a guess.
    const bool nothing_read = compare_with(expectation, artifact).model.entries.empty();
    if (nothing_read && !artifact.gaps.empty()) return std::nullopt;
    expectation.source = against_.shown;
    Intent intent = settings_.intent;
    intent.expected = std::make_shared<const Expectation>(std::move(expectation));
    const std::vector<const Rule*> rules = rules_for(settings_.policy, settings_.rules, input_.id);
    findings = run_rules(rules, artifact, intent, settings_.limits);
    return report_of(*intent.expected, compare_with(*intent.expected, artifact), artifact);
  }

  static void finish(const Input& input, Opened* opened, ReportedArtifact& reported) {
    if (opened == nullptr) return;
    if (opened->source->changed_while_read()) {
      opened->artifact.add_gap("file", "it changed while it was read");
    }
    reported = describe(input, opened->artifact);
  }

  const Settings& settings_;
  const SeriesReader reader_;
  const Input against_, input_;
};

std::string why_not(const Options& options) {
  if (options.paths.size() != 1) return "one file is compared: `torchvet diff NEW --against OLD`";
  if (options.against.empty()) return "compare with which file? --against OLD";
  if (options.against == "-") return "--against: standard input is for the new file";
  return "";
}

/// A tensor more makes a strict load_state_dict raise, which is what is asked here. Weaker than
/// whatever anybody says of the rule.
void let_unexpected_gate(Policy& policy) {
  for (const Rule* rule : all_rules()) {
    if (rule->code != "CTR002") continue;
    policy.severities.insert(policy.severities.begin(),
                             {rule, Severity::kError, "", "torchvet diff"});
  }
}

}  // namespace

OrFaults<Report> report_of_pair(const Options& options, const Settings& given) {
  const auto wrong = [](const std::string& why) { return tl::unexpected(std::vector{why}); };
  if (const std::string why = why_not(options); !why.empty()) return wrong(why);
  watch_interrupts();
  Settings settings = given;
  let_unexpected_gate(settings.policy);
  Options of_old = options;
  of_old.artifact_id.clear();
  const Result<Input> against = the_input(of_old, options.against);
  if (!against) return wrong(against.error().detail);
  const Result<Input> input = the_input(options, options.paths.front());
  if (!input) return wrong(input.error().detail);
  return Pair(settings, *against, *input).judge_new();
}

int run_diff(const Options& options, const std::vector<std::string>& argv) {
  const RunClock clock;
  const OrFaults<Settings> settings = make_settings(options, RuleSet::kPair);
  if (!settings) {
    complain(settings.error());
    return kExitError;
  }
  OrFaults<Report> report = report_of_pair(options, *settings);
  if (!report) {
    complain(report.error());
    return kExitError;
  }
  clock.fill(*report, options, argv, settings->limits);
  return finish(*report, options, *settings);
}

}  // namespace torchvet
