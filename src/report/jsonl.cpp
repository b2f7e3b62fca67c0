#include "report/jsonl.h"

#include <utility>

#include "report/json.h"
#include "report/json_parts.h"

namespace torchvet {
namespace {

void write_line(std::string& out, std::string_view type, const ReportJson& fields) {
  ReportJson line = {{"type", type}};
  line.update(fields);
  out += json_line(line) + "\n";
}

void write_series(std::string& out, const ReportedSeries& series) {
  write_line(out, "series", {{"order", text_json(series.order)}});
  for (const ReportedInterval& interval : series.intervals) {
    write_line(out, "interval", interval_json(interval));
  }
  for (const ReportedTrack& track : series.tracks) {
    out += R"({"type":"tensor",)" + track_line(track).substr(1) + "\n";
  }
}

}  // namespace

std::string jsonl_report(const Report& report) {
  std::string out;
  write_line(out, "run",
             {{"schema_version", kReportSchemaVersion},
              {"tool", tool_json(report)},
              {"run", run_json(report)}});
  for (const ReportedArtifact& artifact : report.artifacts) {
    write_line(out, "artifact", artifact_json(artifact));
  }
  for (const ReportedFinding& finding : report.findings) {
    write_line(out, "finding", finding_json(finding));
  }
  for (const ReportedSuppression& one : report.suppressions) {
    write_line(out, "suppression", suppression_json(one));
  }
  if (report.baseline) write_line(out, "baseline", baseline_json(*report.baseline));
  if (report.series) write_series(out, *report.series);
  if (report.diff) write_line(out, "diff", diff_json(*report.diff));
  for (const Rule* rule : report.rules) write_line(out, "rule", rule_json(*rule));
  write_line(out, "summary",
             {{"outcome", name_of(report.outcome)},
              {"exit_code", report.exit_code},
              {"summary", summary_json(report)}});
  return out;
}

}  // namespace torchvet
