#pragma once

#include "cli/config_file.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "engine/report.h"

namespace torchvet {

/// Looks at the files that the options name and judges what is found. What the run itself knows
/// (arguments, times, exit code) is left to the caller.
/// Faults: nothing to look at.
[[nodiscard]] OrFaults<Report> report_of_files(const Options& options, const Settings& settings);

/// The same for a series of checkpoints.
[[nodiscard]] OrFaults<Report> report_of_series(const Options& options, const Settings& settings);

/// The same for a file and the one that it is compared with.
[[nodiscard]] OrFaults<Report> report_of_pair(const Options& options, const Settings& settings);

}  // namespace torchvet
