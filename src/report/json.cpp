#include "report/json.h"

#include <fmt/format.h>

#include "report/json_parts.h"

namespace torchvet {
namespace {

constexpr std::string_view kSchema = "report-1.schema.json";

/// The matrix of updates grows with the series, so it is written as it goes, a tensor a line.
void write_series(std::string& out, const ReportedSeries& series) {
  const auto list = [&](std::string_view name, std::size_t count, auto line_of) {
    out += fmt::format(",\n    \"{}\": [", name);
    for (std::size_t i = 0; i < count; ++i) {
      out += i > 0 ? ",\n      " : "\n      ";
      out += line_of(i);
    }
    out += count > 0 ? "\n    ]" : "]";
  };
  out += fmt::format("  \"series\": {{\n    \"order\": {}", json_line(text_json(series.order)));
  list("intervals", series.intervals.size(),
       [&](std::size_t i) { return json_line(interval_json(series.intervals[i])); });
  list("tensors", series.tracks.size(),
       [&](std::size_t i) { return track_line(series.tracks[i]); });
  out += "\n  }\n";
}

}  // namespace

std::string json_report(const Report& report) {
  ReportJson out = {{"$schema", kSchema},
                    {"schema_version", kReportSchemaVersion},
                    {"tool", tool_json(report)},
                    {"run", run_json(report)},
                    {"outcome", name_of(report.outcome)},
                    {"exit_code", report.exit_code},
                    {"summary", summary_json(report)}};
  out["artifacts"] = ReportJson::array();
  for (const ReportedArtifact& artifact : report.artifacts) {
    out["artifacts"].push_back(artifact_json(artifact));
  }
  out["findings"] = ReportJson::array();
  for (const ReportedFinding& finding : report.findings) {
    out["findings"].push_back(finding_json(finding));
  }
  for (const ReportedSuppression& one : report.suppressions) {
    out["suppressions"].push_back(suppression_json(one));
  }
  if (report.diff) out["diff"] = diff_json(*report.diff);
  if (report.baseline) out["baseline"] = baseline_json(*report.baseline);
  out["rules"] = ReportJson::array();
  for (const Rule* rule : report.rules) out["rules"].push_back(rule_json(*rule));
  std::string whole = json_line(out, 2);
  if (report.series) {
    whole.resize(whole.size() - std::string_view("\n}").size());
    whole += ",\n";
    write_series(whole, *report.series);
    whole += '}';
  }
  return whole + "\n";
}

}  // namespace torchvet
