#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/config_file.h"
#include "cli/options.h"
#include "core/limits.h"
#include "engine/verdict.h"
#include "report/formats.h"
#include "rule/rule.h"
#include "terminal/terminal.h"

namespace torchvet {

struct ReportTarget {
  const ReportFormat* format = nullptr;  ///< in `report_formats()`
  std::string file;  ///< empty: standard output
};

/// What the options mean, checked and typed.
struct Settings {
  std::vector<const Rule*> rules;  ///< that look at one artifact or another, sorted by code
  Policy policy;
  Intent intent;
  Limits limits;
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<std::chrono::milliseconds> idle;  ///< when a followed run counts as ended
  unsigned jobs = 1;
  bool digest = false;       ///< read every byte: checksums of all members, sha256 of the file
  bool skip_values = false;  ///< read no weight bytes, whatever a rule wants
  Severity show = Severity::kNote;
  std::vector<ReportTarget> reports;  ///< always one to standard output
  bool show_models = false;           ///< one of them shows the tensors of every artifact
  When color = When::kAuto;
  When progress = When::kAuto;
};

/// Which rules a run can have: those for one artifact, for a series, or for one artifact beside
/// another.
enum class RuleSet : std::uint8_t { kArtifact, kSeries, kPair };

/// Faults: unknown names, with a suggestion; values that mean nothing; a baseline that is none.
[[nodiscard]] OrFaults<Settings> make_settings(const Options& options, RuleSet kept);

/// What the options say about rules, severities and what is accepted; without a baseline.
/// Errors: kConfigInvalid.
[[nodiscard]] Result<Policy> make_policy(const Options& options);

/// The reports that were asked for, one of them to standard output.
/// Errors: kConfigInvalid.
[[nodiscard]] Result<std::vector<ReportTarget>> make_reports(const Options& options);

/// Only what every verb that reads a file needs: limits and timeout.
[[nodiscard]] Result<Limits> make_limits(const Options& options);
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> make_timeout(const Options& options);

}  // namespace torchvet
