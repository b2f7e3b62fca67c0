#include "report/series_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/words.h"

namespace torchvet {
namespace {

/// An update this many times that of the median, or its inverse, makes a tensor an outlier.
constexpr double kOutlier = 5;

RemarkableTrack compared(const ReportedSeries& series, const ReportedTrack& track) {
  RemarkableTrack most{&track};
  for (std::size_t i = 0; i < track.updates.size(); ++i) {
    const std::optional<double>& median = series.intervals[i].median_update;
    if (!median || !(*median > 0) || !(track.updates[i] > 0)) continue;
    const RemarkableTrack here{&track, static_cast<double>(track.updates[i]) / *median};
    if (std::isfinite(here.ratio) && here.outlier() > most.outlier()) most = here;
  }
  return most;
}

}  // namespace

std::string_view common_folder(const ReportedSeries& series) {
  std::string_view common = series.intervals.front().from;
  for (const ReportedInterval& interval : series.intervals) {
    for (const std::string_view path :
         {std::string_view(interval.from), std::string_view(interval.to)}) {
      const auto [end, ignored] =
          std::mismatch(common.begin(), common.end(), path.begin(), path.end());
      common = common.substr(0, static_cast<std::size_t>(end - common.begin()));
    }
  }
  return common.substr(0, common.rfind('/') + 1);
}

RemarkableTracks remarkable_tracks(const ReportedSeries& series) {
  RemarkableTracks tracks;
  for (const ReportedTrack& track : series.tracks) {
    if (track.mark == TrackMark::kStatic) {
      tracks.still.push_back({&track});
    } else if (track.parameter || track.mark != TrackMark::kNone) {
      const RemarkableTrack one = compared(series, track);
      if (one.outlier() >= kOutlier || track.mark != TrackMark::kNone) tracks.moving.push_back(one);
    }
  }
  std::stable_sort(tracks.moving.begin(), tracks.moving.end(),
                   [](const RemarkableTrack& a, const RemarkableTrack& b) {
                     return a.track->mark != b.track->mark ? a.track->mark > b.track->mark
                                                           : a.outlier() > b.outlier();
                   });
  return tracks;
}

std::string label_of(const ReportedSeries& series, std::string_view folder,
                     const RemarkableTrack& one) {
  const auto place = [&] {
    const std::string_view path = series.intervals[one.track->marked_in].to;
    return printed(path.substr(folder.size()), kMaxPrinted);
  };
  switch (one.track->mark) {
    case TrackMark::kStatic:
      return "never moved";
    case TrackMark::kReplaced:
      return "replaced in " + place();
    case TrackMark::kNotFinite:
      return "not finite from " + place();
    case TrackMark::kNone:
      break;
  }
  return one.ratio > 1 ? fmt::format("up to {:.3g} x the median", one.ratio)
                       : fmt::format("down to 1/{:.3g} of the median", 1 / one.ratio);
}

}  // namespace torchvet
