// A checkpoint that is being written looks like a broken one, and a training that was killed leaves
// one behind. So a file is taken into the series only when all of it can be read: every format that
// is followed says where it ends (a zip by the directory at its end, a pickle by its STOP), so that
// any part of a file that is missing is a fault. A file with a fault is left alone until it
// changes. One that changes while it is read is read again: writers that replace a file by renaming
// do not disturb, since what was opened stays what it was.
//
// The folders are looked through again and again rather than asked to say what changes: file
// systems of clusters do not tell of what another machine wrote. A look costs a stat of each file;
// the pause between two looks is ten times as long as a look takes, so that watching costs a tenth
// of a core at most, and a tenth of a second otherwise.
//
// Files that came between two looks are taken in the order in which they were last written. A path
// that is written again (`last.ckpt`) is another checkpoint of the series; a file under a new name
// (`step_9.tmp`, complete, becomes `step_9.pt`) is not.
#include "cli/follow.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <compare>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/scan.h"
#include "cli/series_reader.h"
#include "cli/shown_model.h"
#include "core/escape.h"
#include "engine/runner.h"
#include "engine/series_report.h"

namespace torchvet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kShortestPause{100};
constexpr int kPausePerLook = 10;
/// With fewer checkpoints a parameter that has not moved may still do so.
constexpr std::size_t kFewest = 3;

/// What a file was when it was looked at; another one is another content.
struct Stamp {
  std::int64_t modified = 0;  ///< nanoseconds
  std::int64_t size = 0;
  std::uint64_t inode = 0;
  [[nodiscard]] auto operator<=>(const Stamp&) const = default;
};

std::optional<Stamp> stamp_of(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return Stamp{
      static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec,
      static_cast<std::int64_t>(status.st_size), static_cast<std::uint64_t>(status.st_ino)};
}

/// Why a file cannot be a checkpoint of the series; empty when it can.
std::string objection(const Artifact& artifact) {
  if (!artifact.faults.empty())
    return "it is not complete: " + artifact.faults.front().error.detail;
  if (!artifact.gaps.empty()) return artifact.gaps.front().why;
  if (artifact.format == Format::kNotAModel) return "it is " + artifact.looks_like;
  return model_of(artifact).entries.empty() ? "there is no model in it" : "";
}

/// The place of a checkpoint, as far as it says it itself.
std::optional<double> step_of(const SeriesPlace& place) {
  for (const std::optional<double>& stored : place.stored) {
    if (stored) return stored;
  }
  return place.optimizer_step;
}

/// What makes two findings of different times the same: an interval's finding names its checkpoint
/// only once others follow.
using Identity = std::tuple<std::string_view, std::string, std::string>;

class Follow {
 public:
  Follow(const Options& options, const Settings& settings)
      : options_(options),
        settings_(settings),
        reader_(settings),
        builder_("the order in which they were written") {}

  ScannedSeries run() {
    std::vector<Gap> over;
    last_news_ = Clock::now();
    while (!reader_.deadline().over(over, "series") && !idle()) {
      const Clock::time_point begun = Clock::now();
      look();
      pause(std::max<Clock::duration>(kShortestPause, kPausePerLook * (Clock::now() - begun)));
    }
    if (!interrupted()) look();  // what came during the last pause
    ScannedSeries scanned;
    if (last_) scanned.series = builder_.series(last_->artifact);
    if (last_ && settings_.show_models) {
      files_[newest_].reported.model =
          read_shown_model(last_->artifact, {}, settings_, reader_.deadline());
    }
    for (auto& [path, file] : files_) {
      if (!file.why.empty() && !stamp_of(path)) continue;  // it was on its way to another name
      if (!file.why.empty()) file.reported.gaps.push_back({"file", file.why});
      scanned.artifacts.push_back(std::move(file.reported));
    }
    return scanned;
  }

 private:
  struct File {
    Stamp stamp;
    std::string why;  ///< it is not in the series; empty: it is
    ReportedArtifact reported;
  };

  [[nodiscard]] bool idle() const {
    return settings_.idle && Clock::now() - last_news_ >= *settings_.idle;
  }

  /// Ends early at a signal.
  static void pause(Clock::duration time) {
    poll(nullptr, 0, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(time).count()));
  }

  void look() {
    std::vector<std::pair<Stamp, Input>> changed;
    for (Input& input : collect_inputs(options_)) {
      const std::optional<Stamp> stamp = stamp_of(input.path);
      if (!stamp) continue;  // gone again
      const auto known = files_.find(input.path);
      if (known != files_.end() && known->second.stamp == *stamp) continue;
      if (taken_.contains(*stamp)) continue;  // under another name
      changed.emplace_back(*stamp, std::move(input));
    }
    std::sort(changed.begin(), changed.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first.modified, a.second.path) < std::tie(b.first.modified, b.second.path);
    });
    for (const auto& [stamp, input] : changed) {
      if (interrupted()) return;
      take(input, stamp);
    }
  }

  /// Takes a file into the series when it is complete and did not change while it was read.
  void take(const Input& input, const Stamp& stamp) {
    ReportedArtifact reported;
    std::unique_ptr<Opened> opened = reader_.open(input, reported);
    std::string why = reported.read_error;
    std::optional<double> step;
    if (opened) {
      why = objection(opened->artifact);
      if (why.empty()) step = step_of(reader_.place(*opened));
    }
    const bool changed =
        stamp_of(input.path) != stamp || (opened && opened->source->changed_while_read());
    if (changed) return;  // the next look sees it with another stamp
    File& file = files_[input.path];
    file.stamp = stamp;
    file.why = why;
    if (!opened || !why.empty()) {
      file.reported = std::move(reported);
      file.reported.read_error.clear();
      return;
    }
    taken_.insert(stamp);
    reader_.add(*opened, last_.get(), step, builder_);
    if (last_) files_[newest_].reported.gaps = last_->artifact.gaps;
    file.reported = describe(input, opened->artifact);
    last_ = std::move(opened);
    newest_ = input.path;
    last_news_ = Clock::now();
    tell();
  }

  /// Says what the newest checkpoint brought.
  void tell() {
    const Series series = builder_.series(last_->artifact);
    say(arrival_text(report_of(series), last_->artifact.source.path));
    if (series.snapshots.size() < kFewest) return;
    std::vector<Gap> gaps;
    std::map<Identity, std::size_t> seen;
    std::vector<Finding> fresh;
    for (Finding& finding :
         run_series_rules(settings_.rules, series, settings_.intent, settings_.limits, gaps)) {
      const Identity identity{finding.rule->code, finding.where.object_path, finding.key};
      if (++seen[identity] > said_[identity]) fresh.push_back(std::move(finding));
    }
    for (const auto& [identity, count] : seen) said_[identity] = std::max(said_[identity], count);
    std::vector<ReportedArtifact> artifacts;
    for (const auto& [path, file] : files_) {
      if (file.why.empty()) artifacts.push_back(file.reported);
    }
    say(concise_text(judge(assign_findings(std::move(artifacts), std::move(fresh)), settings_.rules,
                           settings_.policy),
                     settings_));
  }

  static std::string arrival_text(const ReportedSeries& series, const std::string& path) {
    if (series.intervals.empty())
      return fmt::format("{}: the first checkpoint\n", escape_text(path));
    const ReportedInterval& interval = series.intervals.back();
    std::string text = fmt::format("{}: {} moved, {} static", escape_text(path), interval.moved,
                                   interval.tensors - interval.moved);
    if (interval.median_update) text += fmt::format(", update {:.2g}", *interval.median_update);
    return text + "\n";
  }

  const Options& options_;
  const Settings& settings_;
  const SeriesReader reader_;
  SeriesBuilder builder_;
  std::unique_ptr<Opened> last_;
  std::string newest_;                 ///< path of `last_`
  std::map<std::string, File> files_;  ///< by path
  std::set<Stamp> taken_;              ///< of the checkpoints in the series
  std::map<Identity, std::size_t> said_;
  Clock::time_point last_news_;
};

}  // namespace

ScannedSeries follow_series(const Options& options, const Settings& settings) {
  return Follow(options, settings).run();
}

}  // namespace torchvet
