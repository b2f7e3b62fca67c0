#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/report.h"

namespace torchvet {

/// The folder that all checkpoints of a series lie in, with its slash; empty when there is none.
[[nodiscard]] std::string_view common_folder(const ReportedSeries& series);

/// A tensor whose way through a series is worth a line of its own.
struct RemarkableTrack {
  const ReportedTrack* track = nullptr;
  double ratio = 1;  ///< to the median, in the interval in which the two are furthest apart

  [[nodiscard]] double outlier() const { return ratio > 1 ? ratio : 1 / ratio; }
};

struct RemarkableTracks {
  std::vector<RemarkableTrack> moving;  ///< marked or outlying, the most remarkable first
  std::vector<RemarkableTrack> still;   ///< never moved, in the order of the model
};

/// Tensors that carry a mark, and parameters that move five times as far as the median matrix in
/// some interval, or a fifth as far.
[[nodiscard]] RemarkableTracks remarkable_tracks(const ReportedSeries& series);

/// What is remarkable, in words: "never moved", "replaced in step_300.pt". Escaped; checkpoints are
/// named without `folder`.
[[nodiscard]] std::string label_of(const ReportedSeries& series, std::string_view folder,
                                   const RemarkableTrack& one);

}  // namespace torchvet
