#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "engine/accepted.h"
#include "engine/reported_model.h"
#include "model/gap.h"
#include "model/load_fit.h"
#include "rule/rule.h"

namespace torchvet {

enum class Outcome : std::uint8_t {
  kPass,        ///< all was analysed, nothing gates
  kFail,        ///< a finding at or above `fail_on`
  kIncomplete,  ///< nothing gates, but something was not analysed
  kError,       ///< something asked for could not be done at all: a file could not be read
};
/// "pass", "fail", "incomplete", "error".
[[nodiscard]] std::string_view name_of(Outcome outcome);

/// What the form of a program hides from a rule: neither a finding nor its absence.
struct ReportedUnseen {
  std::string code;  ///< of the rule
  std::string what;  ///< "a gradient that ends under no_grad"
};

/// Rules of the run that did not look at an artifact: it lacks what they are about, it was asked
/// so, or nothing could be looked at.
struct ReportedSkip {
  std::string why;  ///< "no program"
  std::vector<std::string> codes;
};

struct ReportedArtifact {
  std::string path;  ///< as shown
  std::string id;    ///< logical path, the same wherever the tool is started from
  std::uint64_t size = 0;
  std::string sha256;  ///< empty unless it was asked for
  std::string format;
  std::string kind;
  std::optional<std::uint64_t> parameters;  ///< elements of the model's parameters, when known
  std::vector<Gap> gaps;
  std::string form;                    ///< of the program: "a trace"; empty: it holds none
  std::vector<ReportedUnseen> unseen;  ///< by the code of the rule
  std::vector<ReportedSkip> skipped;   ///< every other rule of the run looked at it
  std::string read_error;              ///< why the file could not be read at all; empty: it was
  std::optional<ReportedModel> model;  ///< kept when a report was asked for that shows it
};

/// Whether a finding was accepted before. Only new ones count and gate.
enum class FindingStatus : std::uint8_t { kNew, kBaselined, kSuppressed };
/// "new", "baselined", "suppressed".
[[nodiscard]] std::string_view name_of(FindingStatus status);

struct ReportedFinding {
  Finding finding;  ///< with the severity that counts
  std::string fingerprint;
  FindingStatus status = FindingStatus::kNew;
  std::string accepted_because;  ///< of a suppressed one: the reason that its author gave
};

/// What became of a suppression in this run.
enum class SuppressionState : std::uint8_t {
  kUsed,         ///< it suppressed findings
  kUnused,       ///< its rule looked at its artifact and found nothing there
  kUntried,      ///< the run did not look at its artifact, or not all of it, or without its rule
  kExpired,      ///< its day is over: it suppresses nothing
  kOtherSha256,  ///< the artifact is not the file that it was written for: it suppresses nothing
};
/// "used", "unused", "untried", "expired", "other-sha256".
[[nodiscard]] std::string_view name_of(SuppressionState state);

struct ReportedSuppression {
  Suppression suppression;
  SuppressionState state = SuppressionState::kUntried;
  std::uint64_t findings = 0;  ///< that it suppressed
};

struct ReportedBaseline {
  std::string file;
  std::uint64_t entries = 0;
  std::uint64_t used = 0;  ///< entries whose finding is still there
  /// Entries whose finding is gone although their artifact was looked at, or whose artifact is.
  std::vector<BaselineEntry> stale;
};

/// Tensors that moved between two neighbours of a series.
struct ReportedInterval {
  std::string from, to;  ///< paths
  std::string from_step, to_step;
  std::uint64_t tensors = 0;  ///< parameters compared
  std::uint64_t moved = 0;
  std::uint64_t unknown = 0;  ///< in only one of the two, or without readable values
  /// The median of |after - before| / |before| over the matrices; nothing when none is known.
  std::optional<double> median_update;
};

/// What is remarkable about a tensor of a series.
enum class TrackMark : std::uint8_t { kNone, kStatic, kReplaced, kNotFinite };
/// "none", "static", "replaced", "not-finite".
[[nodiscard]] std::string_view name_of(TrackMark mark);

/// One tensor of the model over the intervals of a series.
struct ReportedTrack {
  std::string name;
  bool parameter = false;
  TrackMark mark = TrackMark::kNone;
  std::size_t marked_in = 0;   ///< the first interval that shows it, but for kStatic
  std::vector<float> updates;  ///< |after - before| / |before| in each interval; NaN: not known
};

struct ReportedSeries {
  std::string order;  ///< how the checkpoints were ordered, for people
  std::vector<ReportedInterval> intervals;
  std::vector<ReportedTrack> tracks;
};

/// One thing in which a file differs from the one it is compared with.
struct ReportedChange {
  std::string_view kind;  ///< of `ChangeKind`, or "names": all names differ in one way
  Compatibility compatibility = Compatibility::kBreaking;
  std::string name;           ///< of the tensor: the old one where it has one
  std::string before, after;  ///< "float32 [4, 16]", "cuda:0"; empty where there is nothing
  std::string renamed;        ///< the name that it may have in the other file; empty: none
  bool same_numbers = false;  ///< the numbers under that name are the same
  std::uint64_t count = 1;    ///< tensors
};

/// What `load_state_dict` does with the state of a file in the model of another.
struct ReportedDiff {
  std::string path, against;
  Compatibility compatibility = Compatibility::kCompatible;  ///< the worst of all changes
  std::uint64_t tensors_before = 0, tensors = 0;
  std::uint64_t same = 0;  ///< tensors that differ in nothing but their device
  std::optional<std::uint64_t> parameters_before, parameters;
  std::vector<ReportedChange> changes;  ///< breaking ones first, then in the order of the model
};

/// Findings: new ones by severity, and those that were accepted.
struct Counts {
  std::uint64_t error = 0, warning = 0, note = 0;
  std::uint64_t suppressed = 0, baselined = 0;
};

/// Files of the folders that were walked which hold no model, and are no part of one.
struct ReportedPassedOver {
  static constexpr std::size_t kNamed = 10;
  std::uint64_t files = 0;
  std::vector<std::string> first;  ///< paths of the first ones, `kNamed` at most
};

/// The result of a run, complete and immutable: every report format is a function of it. Strings
/// are as the artifacts have them; the writers escape.
struct Report {
  std::string version;
  std::string libtorch;  ///< of the graph worker; empty when it did not run
  std::vector<std::string> argv;
  std::vector<std::string> config_files;  ///< that had a part in the settings
  ReportedPassedOver passed_over;
  Limits limits;
  bool reproducible = false;  ///< leave out what differs between two equal runs
  std::string started;        ///< UTC, ISO 8601
  std::uint64_t duration_ms = 0;

  Outcome outcome = Outcome::kPass;
  int exit_code = 0;
  std::optional<Severity> fail_on;
  Counts counts;
  std::uint64_t hidden_by_confidence = 0;
  std::uint64_t bytes = 0;

  std::vector<ReportedArtifact> artifacts;        ///< sorted by path
  std::vector<ReportedFinding> findings;          ///< by artifact, severity, code, place
  std::vector<const Rule*> rules;                 ///< those that ran
  std::vector<ReportedSuppression> suppressions;  ///< in the order in which they were given
  std::optional<ReportedBaseline> baseline;
  std::optional<ReportedSeries> series;
  std::optional<ReportedDiff> diff;
};

}  // namespace torchvet
