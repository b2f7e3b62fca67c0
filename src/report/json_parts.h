#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/report.h"

namespace torchvet {

/// The parts of the JSON report, as the one object holds them and as JSON Lines lists them.
using ReportJson = nlohmann::ordered_json;

/// Text of a report as JSON can carry it.
[[nodiscard]] ReportJson text_json(std::string_view raw);

[[nodiscard]] ReportJson tool_json(const Report& report);
[[nodiscard]] ReportJson run_json(const Report& report);
[[nodiscard]] ReportJson summary_json(const Report& report);
[[nodiscard]] ReportJson artifact_json(const ReportedArtifact& artifact);
[[nodiscard]] ReportJson finding_json(const ReportedFinding& reported);
[[nodiscard]] ReportJson suppression_json(const ReportedSuppression& reported);
[[nodiscard]] ReportJson baseline_json(const ReportedBaseline& baseline);
[[nodiscard]] ReportJson interval_json(const ReportedInterval& interval);
[[nodiscard]] ReportJson diff_json(const ReportedDiff& diff);
[[nodiscard]] ReportJson rule_json(const Rule& rule);

/// One tensor of a series, in one line: a float is written with as many digits as tell it from
/// every other float, which a JSON library does for doubles alone.
[[nodiscard]] std::string track_line(const ReportedTrack& track);

/// The text of a value; `indent` -1: in one line.
[[nodiscard]] std::string json_line(const ReportJson& json, int indent = -1);

}  // namespace torchvet
