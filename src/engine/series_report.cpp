#include "engine/series_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace torchvet {
namespace {

std::string step_text(const std::optional<double>& step) {
  return step ? fmt::format("{}", *step) : std::string();
}

ReportedInterval interval_of(const Series& series, std::size_t to) {
  const Series::Snapshot &before = series.snapshots[to - 1], &after = series.snapshots[to];
  ReportedInterval interval;
  interval.from = before.path;
  interval.to = after.path;
  interval.from_step = step_text(before.step);
  interval.to_step = step_text(after.step);
  std::vector<float> updates;
  for (const Track& track : series.tracks) {
    const TrackPoint& point = track.points[to];
    if (!track.is_parameter || (!track.points[to - 1].form && !point.form)) continue;
    if (point.moved == Movement::kUnknown) {
      ++interval.unknown;
      continue;
    }
    ++interval.tensors;
    interval.moved += point.moved == Movement::kMoved ? 1 : 0;
    if (!std::isnan(point.update) && is_matrix(series, track)) updates.push_back(point.update);
  }
  if (!updates.empty()) {
    const auto middle = updates.begin() + static_cast<std::ptrdiff_t>(updates.size() / 2);
    std::nth_element(updates.begin(), middle, updates.end());
    interval.median_update = *middle;
  }
  return interval;
}

void mark(ReportedTrack& row, const Series& series, const Track& track) {
  for (std::size_t to = 1; to < track.points.size(); ++to) {
    const TrackPoint &before = track.points[to - 1], &after = track.points[to];
    const bool went_bad =
        before.counted && after.counted && before.not_finite == 0 && after.not_finite > 0;
    if (!went_bad && (!after.replaced || is_early(series, to))) continue;
    row.mark = went_bad ? TrackMark::kNotFinite : TrackMark::kReplaced;
    row.marked_in = to - 1;
    return;
  }
  if (track.is_parameter && movement(track) == Movement::kSame) row.mark = TrackMark::kStatic;
}

}  // namespace

ReportedSeries report_of(const Series& series) {
  ReportedSeries reported;
  reported.order = series.order;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    reported.intervals.push_back(interval_of(series, to));
  }
  for (const Track& track : series.tracks) {
    ReportedTrack row;
    row.name = track.name;
    row.parameter = track.is_parameter;
    row.updates.reserve(reported.intervals.size());
    for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
      row.updates.push_back(track.points[to].update);
    }
    mark(row, series, track);
    reported.tracks.push_back(std::move(row));
  }
  return reported;
}

std::vector<Checked> assign_findings(std::vector<ReportedArtifact> artifacts,
                                     std::vector<Finding> findings) {
  std::vector<Checked> checked;
  for (ReportedArtifact& artifact : artifacts) {
    Checked one;
    one.artifact = std::move(artifact);
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

}  // namespace torchvet
