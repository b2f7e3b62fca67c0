#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "model/gap.h"
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
  std::string_view code;  ///< of the rule
  std::string_view what;  ///< "a gradient that ends under no_grad"
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
  std::string_view form;  ///< of the program: "a trace"; empty: it holds none
  std::vector<ReportedUnseen> unseen;  ///< by the code of the rule
  std::string read_error;  ///< why the file could not be read at all; empty: it was
};

struct ReportedFinding {
  Finding finding;  ///< with the severity that counts
  std::string fingerprint;
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

struct Counts {
  std::uint64_t error = 0, warning = 0, note = 0;
};

/// The result of a run, complete and immutable: every report format is a function of it. Strings
/// are as the artifacts have them; the writers escape.
struct Report {
  std::string version;
  std::string libtorch;  ///< of the graph worker; empty when it did not run
  std::vector<std::string> argv;
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

  std::vector<ReportedArtifact> artifacts;  ///< sorted by path
  std::vector<ReportedFinding> findings;    ///< by artifact, severity, code, place
  std::vector<const Rule*> rules;           ///< those that ran
  std::optional<ReportedSeries> series;
};

}  // namespace torchvet
