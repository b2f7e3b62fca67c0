#pragma once

#include <vector>

#include "cli/series_scan.h"

namespace torchvet {

/// Watches the folders and files of a running training, and takes each checkpoint into the series
/// once it is complete, in the order in which they were finished; see the essay in follow.cpp. What
/// is new (a checkpoint, a finding) is said on standard error at once. Ends when nothing has come
/// for the idle time, at the timeout, or at an interrupt, with what `scan_series` would give; a
/// file that never became complete is a gap.
[[nodiscard]] ScannedSeries follow_series(const Options& options, const Settings& settings);

}  // namespace torchvet
