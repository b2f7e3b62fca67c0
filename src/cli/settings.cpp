#include "cli/settings.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <thread>

#include "cli/config_keys.h"
#include "cli/expect_file.h"
#include "cli/memory_cap.h"
#include "engine/selection.h"
#include "engine/suggest.h"
#include "rules/registry.h"

namespace torchvet {
namespace {

tl::unexpected<Error> wrong(std::string detail) {
  return fail(ErrorCode::kConfigInvalid, 0, std::move(detail));
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Pair {
  std::string name, value;
};

Result<Pair> split(std::string_view flag, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return wrong(fmt::format("{}: `{}` is not of the form NAME=VALUE", flag, text));
  }
  return Pair{text.substr(0, equals), text.substr(equals + 1)};
}

Result<void> add_severity(const std::string& text, const std::string& origin,
                          const std::string& match, Policy& policy) {
  const Result<Pair> pair = split(origin, text);
  if (!pair) return tl::unexpected<Error>(pair.error());
  const std::optional<Severity> severity = severity_from_name(pair->value);
  if (!severity) {
    return wrong(fmt::format("{}: `{}` is none of note, warning, error", origin, pair->value));
  }
  const Result<std::vector<const Rule*>> rules = match_rules(pair->name, all_rules());
  if (!rules) return tl::unexpected<Error>(rules.error());
  for (const Rule* rule : *rules) policy.severities.push_back({rule, *severity, match, origin});
  return {};
}

/// Those of a layer for some paths come after its general ones, and before a stronger layer's.
Result<void> add_severities(const Options& options, Policy& policy) {
  for (const Layer layer :
       {Layer::kUserFile, Layer::kProjectFile, Layer::kEnvironment, Layer::kCommandLine}) {
    for (const Given& given : options.given) {
      if (given.layer != layer || given.row->flag != "--severity") continue;
      if (Result<void> ok = add_severity(given.value, given.origin, "", policy); !ok) return ok;
    }
    for (const PathEntry& entry : options.path_entries) {
      if (entry.layer != layer) continue;
      for (const std::string& text : entry.severity) {
        Result<void> ok = add_severity(text, entry.origin, entry.match, policy);
        if (!ok) return ok;
      }
    }
  }
  return {};
}

Result<Intent> make_intent(const Options& options) {
  Intent intent;
  if (options.purpose == "inference") intent.purpose = Purpose::kInference;
  if (options.purpose == "training") intent.purpose = Purpose::kTraining;
  if (options.purpose == "resume") intent.purpose = Purpose::kResume;
  intent.target_device = options.target_device;
  intent.target_torch = options.target_torch;
  const std::string& torch = options.target_torch;
  const bool good = torch.empty() || is_torch_version(torch);
  if (!good) return wrong(fmt::format("--target-torch: `{}` is no version like 2.9", torch));
  return intent;
}

Result<std::vector<const Rule*>> make_rules(const Options& options, const Policy& policy,
                                            RuleSet kept) {
  Result<std::vector<const Rule*>> rules = rules_of(policy, all_rules());
  if (!rules) return rules;
  bool expects = false;
  const auto unused = [&](const Rule* rule) {
    const bool for_series = rule->check_series != nullptr;
    if (for_series != (kept == RuleSet::kSeries)) return true;
    if (kept == RuleSet::kPair && !rule->needs_expectation) return true;
    if (kept == RuleSet::kArtifact && rule->needs_expectation && options.expect.empty()) {
      expects = true;
      return true;
    }
    return options.no_values && rule->needs == Needs::kValues;
  };
  rules->erase(std::remove_if(rules->begin(), rules->end(), unused), rules->end());
  if (rules->empty()) {
    return wrong(fmt::format("the selection leaves no rule to run for `torchvet {}`{}",
                             row_of(options.verb).name,
                             expects ? "; rules of CTR need --expect FILE" : ""));
  }
  return rules;
}

/// Nothing when the option was not given.
Result<std::optional<std::chrono::milliseconds>> make_seconds(std::string_view flag,
                                                              const std::string& text) {
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds);
  constexpr double kLongest = 1e9;
  if (error != std::errc() || stop != end || !(seconds >= 0 && seconds <= kLongest)) {
    return wrong(fmt::format("{}: `{}` is no number of seconds", flag, text));
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace

Result<std::vector<ReportTarget>> make_reports(const Options& options) {
  std::vector<ReportTarget> reports;
  std::vector<std::string> formats;
  for (const ReportFormat& format : report_formats()) formats.emplace_back(format.name);
  std::vector<std::string> wanted = options.report;
  if (options.json) wanted.push_back("json");
  for (const std::string& text : wanted) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const std::string file = equals == std::string::npos ? "" : text.substr(equals + 1);
    const ReportFormat* format = find_report_format(name);
    if (format == nullptr) {
      return wrong(fmt::format("--report: `{}` is none of {}{}", name, fmt::join(formats, ", "),
                               did_you_mean(name, formats)));
    }
    if (equals != std::string::npos && file.empty()) {
      return wrong(fmt::format("--report: `{}` names no file", text));
    }
    const bool taken = std::any_of(reports.begin(), reports.end(), [&](const ReportTarget& other) {
      return !file.empty() && other.file == file;
    });
    if (taken) return wrong(fmt::format("--report: two reports would be written to {}", file));
    reports.push_back({format, file});
  }
  const auto to_stdout = [](const ReportTarget& r) { return r.file.empty(); };
  const std::ptrdiff_t count = std::count_if(reports.begin(), reports.end(), to_stdout);
  if (count > 1) return wrong("only one report can go to standard output; name a file: FMT=FILE");
  if (count == 0) reports.push_back({&report_formats().front(), ""});
  return reports;
}

Result<Limits> make_limits(const Options& options) {
  Limits limits;
  for (const std::string& text : options.limit) {
    const Result<Pair> pair = split("--limit", text);
    if (!pair) return tl::unexpected<Error>(pair.error());
    const std::optional<std::uint64_t> value = whole_number(pair->value);
    if (!value) return wrong(fmt::format("--limit: `{}` is no whole number", pair->value));
    bool known = false;
    std::vector<std::string> names;
    for (const LimitName& limit : limit_names()) {
      names.emplace_back(limit.name);
      if (limit.name != pair->name) continue;
      limits.*limit.field = *value;
      known = true;
    }
    if (!known) {
      return wrong(
          fmt::format("--limit: no limit `{}`{}", pair->name, did_you_mean(pair->name, names)));
    }
  }
  return limits;
}

Result<std::optional<std::chrono::milliseconds>> make_timeout(const Options& options) {
  return make_seconds("--timeout", options.timeout);
}

Result<Policy> make_policy(const Options& options) {
  Policy policy;
  policy.selection = {options.select, options.ignore, options.extend_select, options.preview};
  for (const PathEntry& entry : options.path_entries) {
    policy.paths.push_back({entry.match, entry.select, entry.ignore});
  }
  if (const Result<void> ok = add_severities(options, policy); !ok) {
    return tl::unexpected<Error>(ok.error());
  }
  policy.min_confidence = *confidence_from_name(options.min_confidence);
  policy.fail_on = severity_from_name(options.fail_on);
  policy.suppressions = options.suppressions;
  policy.today = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)));
  return policy;
}

namespace {

Result<Settings> settings_of(const Options& options, RuleSet kept) {
  Settings settings;
  Result<Policy> policy = make_policy(options);
  if (!policy) return tl::unexpected<Error>(policy.error());
  settings.policy = std::move(*policy);
  Result<std::vector<const Rule*>> rules = make_rules(options, settings.policy, kept);
  if (!rules) return tl::unexpected<Error>(rules.error());
  settings.rules = std::move(*rules);
  settings.show = *severity_from_name(options.show);

  const Result<Intent> intent = make_intent(options);
  if (!intent) return tl::unexpected<Error>(intent.error());
  settings.intent = *intent;
  const Result<Limits> limits = make_limits(options);
  if (!limits) return tl::unexpected<Error>(limits.error());
  settings.limits = *limits;
  if (!options.expect.empty()) {
    Result<Expectation> expected = read_expectation(options.expect, settings.limits);
    if (!expected) return tl::unexpected<Error>(expected.error());
    settings.intent.expected = std::make_shared<const Expectation>(std::move(*expected));
  }
  const auto timeout = make_timeout(options);
  if (!timeout) return tl::unexpected<Error>(timeout.error());
  settings.timeout = *timeout;
  const auto idle = make_seconds("--idle", options.idle);
  if (!idle) return tl::unexpected<Error>(idle.error());
  settings.idle = *idle;
  if (settings.idle && !options.follow) return wrong("--idle goes with --follow");

  settings.digest = options.digest;
  settings.skip_values = options.no_values;
  settings.jobs = std::max(1u, std::thread::hardware_concurrency());
  if (!options.jobs.empty()) {
    constexpr std::uint64_t kMostJobs = 1024;
    const std::optional<std::uint64_t> jobs = whole_number(options.jobs);
    if (!jobs || *jobs == 0 || *jobs > kMostJobs) {
      return wrong(fmt::format("--jobs: `{}` is no number from 1 to {}", options.jobs, kMostJobs));
    }
    settings.jobs = static_cast<unsigned>(*jobs);
  }
  const Result<std::optional<MemoryCap>> cap = make_memory_cap(options);
  if (!cap) return tl::unexpected<Error>(cap.error());
  if (*cap) settings.jobs = std::min(settings.jobs, (*cap)->threads);
  Result<std::vector<ReportTarget>> reports = make_reports(options);
  if (!reports) return tl::unexpected<Error>(reports.error());
  settings.reports = std::move(*reports);
  settings.show_models =
      std::any_of(settings.reports.begin(), settings.reports.end(),
                  [](const ReportTarget& target) { return target.format->shows_models; });
  settings.color = *when_from_name(options.color);
  settings.progress = *when_from_name(options.progress);
  return settings;
}

}  // namespace

OrFaults<Settings> make_settings(const Options& options, RuleSet kept) {
  Result<Settings> settings = settings_of(options, kept);
  if (!settings) return tl::unexpected(std::vector{settings.error().detail});
  if (!options.baseline.empty() && options.verb != Verb::kBaseline) {
    OrFaults<Baseline> baseline = read_baseline(options.baseline);
    if (!baseline) return tl::unexpected(baseline.error());
    settings->policy.baseline = std::move(*baseline);
  }
  return std::move(*settings);
}

}  // namespace torchvet
