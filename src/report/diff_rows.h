#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/report.h"

namespace torchvet {

/// What the reports for people say of what differs between two files.

/// How many rows a report shows that was not asked for all.
inline constexpr std::size_t kFewDiffRows = 24;

/// The changes as rows of a table, those that break first: tensors that change from one device or
/// type to another are one row with their `count`, as a model that was moved has that in every
/// tensor. Its `name` is then that of the first.
[[nodiscard]] std::vector<ReportedChange> diff_rows(const ReportedDiff& diff);

/// "203 parameters in 5 tensors before, 221 parameters in 5 tensors now; 3 the same in name, shape
/// and type".
[[nodiscard]] std::string sizes_text(const ReportedDiff& diff);

/// What comes of it: "load_state_dict raises".
[[nodiscard]] std::string_view answer_of(Compatibility compatibility);

}  // namespace torchvet
