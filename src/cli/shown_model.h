#pragma once

#include <optional>

#include "cli/deadline.h"
#include "cli/settings.h"
#include "engine/reported_model.h"
#include "model/artifact.h"

namespace torchvet {

/// Reads the numbers of `plan`, and in the same pass what a report shows of the numbers of every
/// tensor, unless no weight is to be read or the time is over; gives back what it shows. The
/// artifact is left as if `plan` alone had been read: what is found in it, and what is a gap, does
/// not depend on the reports. Nothing when there is neither a tensor nor a module.
[[nodiscard]] std::optional<ReportedModel> read_shown_model(Artifact& artifact,
                                                            const ValuePlan& plan,
                                                            const Settings& settings,
                                                            const Deadline& deadline);

}  // namespace torchvet
