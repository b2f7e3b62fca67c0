#include "report/json_read.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/checked.h"
#include "core/escape.h"
#include "engine/verdict.h"
#include "json/document.h"
#include "report/json.h"
#include "report/json_shape.h"

namespace torchvet {
namespace {

using Faults = std::vector<std::string>;

constexpr std::uint64_t kInterrupted = 130;
/// JUnit has a case for each rule in each artifact, so one file must not choose both numbers.
constexpr std::uint64_t kMostCases = 100'000'000;

tl::unexpected<Faults> wrong(std::string fault) { return tl::unexpected(Faults{std::move(fault)}); }

// What the shape promises is there; what it does not is empty when it is not.
std::string text(std::optional<Json> object, std::string_view key) {
  return std::string(json_text(json_field(object, key)).value_or(""));
}
std::uint64_t whole(std::optional<Json> object, std::string_view key) {
  return json_unsigned(json_field(object, key)).value_or(0);
}
bool flag(std::optional<Json> object, std::string_view key) {
  return json_bool(json_field(object, key)).value_or(false);
}
bool has(std::optional<Json> object, std::string_view key) {
  return json_field(object, key).has_value();
}

template <typename Use>
void each(std::optional<Json> object, std::string_view key, Use use) {
  const auto items = json_array(json_field(object, key));
  if (!items) return;
  for (const Json item : *items) use(item);
}

std::vector<std::string> texts(std::optional<Json> object, std::string_view key) {
  std::vector<std::string> out;
  each(object, key, [&](Json item) { out.emplace_back(json_text(item).value_or("")); });
  return out;
}

/// The value of an enumeration that has this name; the shape allows no others.
template <typename Value>
Value named(std::string_view name, std::initializer_list<Value> values) {
  for (const Value value : values) {
    if (name_of(value) == name) return value;
  }
  return *values.begin();
}

std::optional<ByteRange> bytes_of(std::optional<Json> where) {
  const std::optional<Json> bytes = json_field(where, "bytes");
  if (!bytes) return std::nullopt;
  return ByteRange{whole(bytes, "offset"), whole(bytes, "length")};
}

std::optional<SourceLine> source_of(std::optional<Json> where) {
  const std::optional<Json> source = json_field(where, "source");
  if (!source) return std::nullopt;
  return SourceLine{text(source, "file"), whole(source, "line"), text(source, "function"),
                    text(source, "text")};
}

class Reader {
 public:
  Reader(Json root, std::span<const Rule* const> known) : root_(root), known_(known) {}

  tl::expected<StoredReport, Faults> read() {
    const std::optional<Json> tool = json_field(root_, "tool");
    report_.version = text(tool, "version");
    report_.libtorch = text(tool, "libtorch");
    report_.exit_code = static_cast<int>(whole(root_, "exit_code"));
    report_.outcome = named(text(root_, "outcome"), {Outcome::kPass, Outcome::kFail,
                                                     Outcome::kIncomplete, Outcome::kError});
    read_run(json_field(root_, "run"));
    each(root_, "rules", [&](Json rule) { read_rule(rule); });
    each(root_, "artifacts", [&](Json artifact) { read_artifact(artifact); });
    std::size_t index = 0;
    each(root_, "findings",
         [&](Json finding) { read_finding(finding, fmt::format("findings[{}]", index++)); });
    each(root_, "suppressions", [&](Json one) { read_suppression(one); });
    if (const auto baseline = json_field(root_, "baseline")) read_baseline(*baseline);
    if (const auto series = json_field(root_, "series")) read_series(*series);
    if (const auto diff = json_field(root_, "diff")) read_diff(*diff);
    check_summary(json_field(root_, "summary"));
    if (!faults_.empty()) return tl::unexpected(std::move(faults_));
    return std::move(stored_);
  }

 private:
  void read_run(std::optional<Json> run) {
    report_.argv = texts(run, "argv");
    report_.config_files = texts(run, "config");
    const std::optional<Json> passed_over = json_field(run, "passed_over");
    report_.passed_over.files = whole(passed_over, "files");
    report_.passed_over.first = texts(passed_over, "first");
    const std::optional<Json> limits = json_field(run, "limits");
    for (const LimitName& limit : limit_names()) {
      report_.limits.*limit.field = whole(limits, limit.name);
    }
    report_.fail_on = severity_from_name(text(run, "fail_on"));
    report_.reproducible = flag(run, "reproducible");
    report_.started = text(run, "started");
    report_.duration_ms = whole(run, "duration_ms");
  }

  std::string_view keep(std::string text) { return stored_.texts.emplace_back(std::move(text)); }

  void read_rule(Json json) {
    const std::string code = text(json, "code"), name = text(json, "name");
    const auto same = std::find_if(known_.begin(), known_.end(), [&](const Rule* rule) {
      return rule->code == code && rule->name == name;
    });
    Rule& rule = stored_.rules.emplace_back(same == known_.end() ? Rule() : **same);
    rule.code = keep(code);
    rule.name = keep(name);
    rule.summary = keep(text(json, "summary"));
    rule.severity = *severity_from_name(text(json, "severity"));
    rule.confidence = *confidence_from_name(text(json, "confidence"));
    const bool fresh = rules_.emplace(rule.code, &rule).second;
    if (!fresh) say("rules", fmt::format("{} stands twice", code));
    report_.rules.push_back(&rule);
  }

  void read_artifact(Json json) {
    ReportedArtifact artifact;
    artifact.path = text(json, "path");
    artifact.id = text(json, "id");
    artifact.size = whole(json, "size");
    artifact.sha256 = text(json, "sha256");
    artifact.format = text(json, "format");
    artifact.kind = text(json, "kind");
    artifact.parameters = json_unsigned(json_field(json, "parameters"));
    artifact.form = text(json, "form");
    artifact.read_error = text(json, "error");
    each(json, "gaps", [&](Json gap) {
      artifact.gaps.push_back({text(gap, "what"), text(gap, "why")});
    });
    each(json, "unseen", [&](Json unseen) {
      artifact.unseen.push_back({text(unseen, "code"), text(unseen, "what")});
    });
    each(json, "skipped", [&](Json skip) {
      artifact.skipped.push_back({text(skip, "why"), texts(skip, "codes")});
    });
    paths_.insert(artifact.path);
    report_.artifacts.push_back(std::move(artifact));
  }

  void read_finding(Json json, const std::string& place) {
    ReportedFinding reported;
    Finding& finding = reported.finding;
    const std::string code = text(json, "code");
    const auto rule = rules_.find(code);
    if (rule == rules_.end()) return say(place, fmt::format("{} is none of the rules", code));
    if (rule->second->name != text(json, "name")) {
      return say(place, fmt::format("{} has another name among the rules", code));
    }
    finding.rule = rule->second;
    finding.severity = *severity_from_name(text(json, "severity"));
    finding.confidence = *confidence_from_name(text(json, "confidence"));
    finding.message = text(json, "message");
    finding.why = text(json, "why");
    finding.help = text(json, "help");
    const std::optional<Json> where = json_field(json, "location");
    finding.where.artifact = text(where, "artifact");
    finding.where.member = text(where, "member");
    finding.where.object_path = text(where, "object_path");
    finding.where.bytes = bytes_of(where);
    finding.where.source = source_of(where);
    if (!paths_.contains(finding.where.artifact)) {
      return say(place + ".location.artifact", "it is none of the artifacts");
    }
    if (finding.where.bytes &&
        !checked_add(finding.where.bytes->offset, finding.where.bytes->length)) {
      return say(place + ".location.bytes", "they end past any file");
    }
    each(json, "evidence", [&](Json one) {
      finding.evidence.push_back({text(one, "kind"), text(one, "text")});
    });
    reported.fingerprint = text(json, "fingerprint");
    reported.status = named(text(json, "status"), {FindingStatus::kNew, FindingStatus::kBaselined,
                                                   FindingStatus::kSuppressed});
    reported.accepted_because = text(json, "reason");
    report_.findings.push_back(std::move(reported));
  }

  void read_suppression(Json json) {
    using enum SuppressionState;
    ReportedSuppression reported;
    reported.suppression = {text(json, "code"),   text(json, "artifact"),
                            text(json, "reason"), text(json, "object_path"),
                            text(json, "sha256"), text(json, "expires"),
                            text(json, "owner"),  text(json, "origin")};
    reported.state = named(text(json, "state"), {kUsed, kUnused, kUntried, kExpired, kOtherSha256});
    reported.findings = whole(json, "findings");
    report_.suppressions.push_back(std::move(reported));
  }

  void read_baseline(Json json) {
    ReportedBaseline baseline;
    baseline.file = text(json, "file");
    baseline.entries = whole(json, "entries");
    baseline.used = whole(json, "used");
    each(json, "stale", [&](Json entry) {
      baseline.stale.push_back({text(entry, "fingerprint"), text(entry, "code"),
                                text(entry, "artifact"), text(entry, "object_path")});
    });
    report_.baseline = std::move(baseline);
  }

  void read_series(Json json) {
    ReportedSeries series;
    series.order = text(json, "order");
    std::size_t index = 0;
    each(json, "intervals", [&](Json one) {
      read_interval(one, fmt::format("series.intervals[{}]", index++), series);
    });
    index = 0;
    each(json, "tensors",
         [&](Json one) { read_track(one, fmt::format("series.tensors[{}]", index++), series); });
    report_.series = std::move(series);
  }

  void read_interval(Json json, const std::string& place, ReportedSeries& series) {
    ReportedInterval interval;
    interval.from = text(json, "from");
    interval.to = text(json, "to");
    interval.from_step = text(json, "from_step");
    interval.to_step = text(json, "to_step");
    interval.tensors = whole(json, "tensors");
    interval.moved = whole(json, "moved");
    interval.unknown = whole(json, "unknown");
    interval.median_update = json_number(json_field(json, "median_update"));
    if (flag(json, "median_infinite")) {
      interval.median_update = std::numeric_limits<double>::infinity();
    }
    if (interval.moved > interval.tensors ||
        interval.tensors - interval.moved != whole(json, "static")) {
      return say(place, "moved and static do not add up to tensors");
    }
    series.intervals.push_back(std::move(interval));
  }

  void read_track(Json json, const std::string& place, ReportedSeries& series) {
    using enum TrackMark;
    ReportedTrack track;
    track.name = text(json, "name");
    track.parameter = flag(json, "parameter");
    track.mark = named(text(json, "mark"), {kNone, kStatic, kReplaced, kNotFinite});
    track.marked_in = static_cast<std::size_t>(whole(json, "marked_in"));
    each(json, "relative_update", [&](Json update) {
      track.updates.push_back(static_cast<float>(
          json_number(update).value_or(std::numeric_limits<double>::quiet_NaN())));
    });
    const std::size_t count = series.intervals.size();
    if (track.updates.size() != count) {
      return say(place + ".relative_update", fmt::format("it has not {} items", count));
    }
    const bool marked = track.mark == kReplaced || track.mark == kNotFinite;
    if (marked != has(json, "marked_in") || (marked && track.marked_in >= count)) {
      return say(place + ".marked_in", "it is no interval that goes with the mark");
    }
    each(json, "infinite_in", [&](Json at) {
      const std::uint64_t interval = json_unsigned(at).value_or(count);
      if (interval >= count) return say(place + ".infinite_in", "there is no such interval");
      track.updates[static_cast<std::size_t>(interval)] = std::numeric_limits<float>::infinity();
    });
    series.tracks.push_back(std::move(track));
  }

  static std::optional<std::uint64_t> parameters_of(std::optional<Json> side) {
    const std::optional<Json> count = json_field(side, "parameters");
    return count ? json_unsigned(*count) : std::nullopt;
  }

  static Compatibility compatibility_of(Json json) {
    using enum Compatibility;
    return named(text(json, "compatibility"), {kCompatible, kUnknown, kBreaking});
  }

  void read_diff(Json json) {
    ReportedDiff diff;
    diff.path = text(json, "path");
    diff.against = text(json, "against");
    diff.compatibility = compatibility_of(json);
    const std::optional<Json> before = json_field(json, "before"),
                              after = json_field(json, "after");
    diff.tensors_before = whole(before, "tensors");
    diff.tensors = whole(after, "tensors");
    diff.parameters_before = parameters_of(before);
    diff.parameters = parameters_of(after);
    diff.same = whole(json, "same");
    each(json, "changes", [&](Json one) {
      diff.changes.push_back({keep(text(one, "change")), compatibility_of(one), text(one, "name"),
                              text(one, "before"), text(one, "after"), text(one, "renamed"),
                              flag(one, "same_numbers"), whole(one, "tensors")});
    });
    report_.diff = std::move(diff);
  }

  /// A report whose numbers and verdict are not those of its findings was changed by somebody.
  void check_summary(std::optional<Json> summary) {
    if (report_.rules.size() * report_.artifacts.size() > kMostCases) {
      say("rules", fmt::format("more than {} for all artifacts together", kMostCases));
    }
    report_.bytes = whole(summary, "bytes");
    report_.hidden_by_confidence = whole(summary, "hidden_by_confidence");
    report_.counts = counts_of(report_);
    const auto agrees = [&](std::string_view key, std::uint64_t count) {
      if (whole(summary, key) == count || !faults_.empty()) return;
      say(fmt::format("summary.{}", key),
          fmt::format("it says {}, but the report has {}", whole(summary, key), count));
    };
    agrees("error", report_.counts.error);
    agrees("warning", report_.counts.warning);
    agrees("note", report_.counts.note);
    agrees("suppressed", report_.counts.suppressed);
    agrees("baselined", report_.counts.baselined);
    agrees("artifacts", report_.artifacts.size());
    const bool interrupted = report_.exit_code == kInterrupted;
    const Outcome outcome = interrupted ? Outcome::kIncomplete : outcome_of(report_);
    if (report_.outcome != outcome && faults_.empty()) {
      say("outcome", fmt::format("it says {}, but what is in the report is {}",
                                 name_of(report_.outcome), name_of(outcome)));
    }
    check_exit_code(interrupted);
  }

  void check_exit_code(bool interrupted) {
    const int code = report_.exit_code;
    const bool fits = interrupted || (report_.outcome == Outcome::kPass && code == 0) ||
                      (report_.outcome == Outcome::kFail && code == 1) ||
                      (report_.outcome == Outcome::kError && code == 2) ||
                      (report_.outcome == Outcome::kIncomplete && (code == 3 || code == 0));
    if (!fits && faults_.empty()) {
      say("exit_code",
          fmt::format("{} is not that of the outcome {}", code, name_of(report_.outcome)));
    }
  }

  void say(const std::string& place, const std::string& what) {
    constexpr std::size_t kMostFaults = 20;
    if (faults_.size() < kMostFaults) faults_.push_back(fmt::format("{}: {}", place, what));
  }

  Json root_;
  std::span<const Rule* const> known_;
  StoredReport stored_;
  Report& report_ = stored_.report;
  std::map<std::string_view, const Rule*> rules_;
  std::set<std::string> paths_;
  Faults faults_;
};

/// "1.1" of a report that this program can read: of the same major version and no later minor one,
/// since what it would not know it would lose.
bool is_known_version(std::string_view version) {
  const std::string_view own = kReportSchemaVersion;
  const std::size_t dot = own.find('.');
  if (version.substr(0, dot + 1) != own.substr(0, dot + 1)) return false;
  const auto minor = [&](std::string_view text) -> std::optional<int> {
    text.remove_prefix(dot + 1);
    constexpr std::size_t kLongest = 4;
    if (text.empty() || text.size() > kLongest ||
        text.find_first_not_of("0123456789") != text.npos) {
      return std::nullopt;
    }
    return std::stoi(std::string(text));
  };
  const std::optional<int> theirs = minor(version);
  return theirs && *theirs <= *minor(own);
}

}  // namespace

tl::expected<StoredReport, Faults> read_json_report(std::string_view bytes,
                                                    std::span<const Rule* const> known,
                                                    const Limits& limits) {
  const Result<JsonDocument> document = JsonDocument::parse(bytes, limits);
  if (!document) return wrong("it is no JSON report: " + document.error().detail);
  if (const std::optional<std::string> twice = document->duplicate_key()) {
    return wrong(fmt::format("key `{}` stands twice", *twice));
  }
  const Json root = document->root();
  const std::optional<std::string_view> version = json_text(json_field(root, "schema_version"));
  if (!version) return wrong("it is no JSON report of torchvet: schema_version is missing");
  if (!is_known_version(*version)) {
    return wrong(
        fmt::format("schema_version `{}`: this torchvet reads {}", *version, kReportSchemaVersion));
  }
  if (Faults faults = shape_faults(root, report_shape()); !faults.empty()) {
    return tl::unexpected(std::move(faults));
  }
  return Reader(root, known).read();
}

}  // namespace torchvet
