#include "report/json.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/escape.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSchema = "report-1.schema.json";
constexpr std::string_view kSchemaVersion = "1.0";

std::string text(std::string_view raw) { return to_utf8(raw); }

Json run_json(const Report& report) {
  Json argv = Json::array();
  for (const std::string& argument : report.argv) argv.push_back(text(argument));
  Json limits = Json::object();
  for (const LimitName& limit : limit_names()) {
    limits[std::string(limit.name)] = report.limits.*limit.field;
  }
  Json run = {{"argv", std::move(argv)}, {"limits", std::move(limits)}};
  for (const std::string& file : report.config_files) run["config"].push_back(text(file));
  if (!report.reproducible) {
    run["started"] = report.started;
    run["duration_ms"] = report.duration_ms;
  }
  return run;
}

Json artifact_json(const ReportedArtifact& artifact) {
  Json gaps = Json::array();
  for (const Gap& gap : artifact.gaps) {
    gaps.push_back({{"what", text(gap.what)}, {"why", text(gap.why)}});
  }
  Json out = {{"path", text(artifact.path)}, {"id", text(artifact.id)}, {"size", artifact.size},
              {"format", artifact.format},   {"kind", artifact.kind},   {"parameters", nullptr}};
  if (!artifact.sha256.empty()) out["sha256"] = artifact.sha256;
  if (artifact.parameters) out["parameters"] = *artifact.parameters;
  out["gaps"] = std::move(gaps);
  out["unseen"] = Json::array();
  for (const ReportedUnseen& unseen : artifact.unseen) {
    out["unseen"].push_back({{"code", unseen.code}, {"what", unseen.what}});
  }
  if (!artifact.read_error.empty()) out["error"] = text(artifact.read_error);
  return out;
}

Json location_json(const Location& where) {
  Json out = {{"artifact", text(where.artifact)}};
  if (!where.member.empty()) out["member"] = text(where.member);
  if (!where.object_path.empty()) out["object_path"] = text(where.object_path);
  if (where.bytes) {
    out["bytes"] = {{"offset", where.bytes->offset}, {"length", where.bytes->length}};
  }
  if (where.source) {
    out["source"] = {{"file", text(where.source->file)},
                     {"line", where.source->line},
                     {"function", text(where.source->function)},
                     {"text", text(where.source->text)}};
  }
  return out;
}

Json finding_json(const ReportedFinding& reported) {
  const Finding& f = reported.finding;
  Json evidence = Json::array();
  for (const Evidence& one : f.evidence) {
    evidence.push_back({{"kind", text(one.kind)}, {"text", text(one.text)}});
  }
  Json out = {{"code", f.rule->code},
              {"name", f.rule->name},
              {"severity", name_of(f.severity)},
              {"confidence", name_of(f.confidence)},
              {"message", text(f.message)},
              {"why", text(f.why)},
              {"help", text(f.help)},
              {"location", location_json(f.where)},
              {"evidence", std::move(evidence)},
              {"fingerprint", reported.fingerprint},
              {"status", name_of(reported.status)}};
  if (!reported.accepted_because.empty()) out["reason"] = text(reported.accepted_because);
  return out;
}

Json suppression_json(const ReportedSuppression& reported) {
  const Suppression& one = reported.suppression;
  Json out = {{"code", text(one.code)},           {"artifact", text(one.artifact)},
              {"reason", text(one.reason)},       {"origin", text(one.origin)},
              {"state", name_of(reported.state)}, {"findings", reported.findings}};
  if (!one.object_path.empty()) out["object_path"] = text(one.object_path);
  if (!one.sha256.empty()) out["sha256"] = one.sha256;
  if (!one.expires.empty()) out["expires"] = one.expires;
  if (!one.owner.empty()) out["owner"] = text(one.owner);
  return out;
}

Json baseline_json(const ReportedBaseline& baseline) {
  Json stale = Json::array();
  for (const BaselineEntry& entry : baseline.stale) {
    stale.push_back({{"artifact", text(entry.artifact)},
                     {"code", text(entry.code)},
                     {"object_path", text(entry.object_path)},
                     {"fingerprint", text(entry.fingerprint)}});
  }
  return {{"file", text(baseline.file)},
          {"entries", baseline.entries},
          {"used", baseline.used},
          {"stale", std::move(stale)}};
}

/// JSON has neither infinities nor NaN: they are null, as what is not known.
Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json interval_json(const ReportedInterval& i) {
  return {{"from", text(i.from)},
          {"to", text(i.to)},
          {"from_step", text(i.from_step)},
          {"to_step", text(i.to_step)},
          {"tensors", i.tensors},
          {"moved", i.moved},
          {"static", i.tensors - i.moved},
          {"unknown", i.unknown},
          {"median_update", number(i.median_update)}};
}

std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// The matrix of updates grows with the series, so it is written as it goes, a tensor a line.
void write_series(std::string& out, const ReportedSeries& series) {
  const auto list = [&](std::string_view name, std::size_t count, auto write_item) {
    out += fmt::format(",\n    \"{}\": [", name);
    for (std::size_t i = 0; i < count; ++i) {
      out += i > 0 ? ",\n      " : "\n      ";
      write_item(i);
    }
    out += count > 0 ? "\n    ]" : "]";
  };
  out += fmt::format("  \"series\": {{\n    \"order\": {}", dumped(text(series.order), -1));
  list("intervals", series.intervals.size(),
       [&](std::size_t i) { out += dumped(interval_json(series.intervals[i]), -1); });
  list("tensors", series.tracks.size(), [&](std::size_t i) {
    const ReportedTrack& track = series.tracks[i];
    out += fmt::format("{{\"name\":{},\"parameter\":{},\"relative_update\":[",
                       dumped(text(track.name), -1), track.parameter);
    for (std::size_t at = 0; at < track.updates.size(); ++at) {
      if (at > 0) out += ',';
      if (std::isfinite(track.updates[at])) {
        fmt::format_to(std::back_inserter(out), "{}", track.updates[at]);
      } else {
        out += "null";
      }
    }
    out += "]}";
  });
  out += "\n  }\n";
}

Json rule_json(const Rule& rule) {
  return {{"code", rule.code},
          {"name", rule.name},
          {"summary", rule.summary},
          {"severity", name_of(rule.severity)},
          {"confidence", name_of(rule.confidence)}};
}

}  // namespace

std::string json_report(const Report& report) {
  Json tool = {{"name", "torchvet"}, {"version", report.version}, {"libtorch", nullptr}};
  if (!report.libtorch.empty()) tool["libtorch"] = text(report.libtorch);
  Json out = {{"$schema", kSchema},
              {"schema_version", kSchemaVersion},
              {"tool", std::move(tool)},
              {"run", run_json(report)},
              {"outcome", name_of(report.outcome)},
              {"exit_code", report.exit_code}};
  out["summary"] = {{"error", report.counts.error},
                    {"warning", report.counts.warning},
                    {"note", report.counts.note},
                    {"suppressed", report.counts.suppressed},
                    {"baselined", report.counts.baselined},
                    {"artifacts", report.artifacts.size()},
                    {"bytes", report.bytes}};
  out["artifacts"] = Json::array();
  for (const ReportedArtifact& artifact : report.artifacts) {
    out["artifacts"].push_back(artifact_json(artifact));
  }
  out["findings"] = Json::array();
  for (const ReportedFinding& finding : report.findings) {
    out["findings"].push_back(finding_json(finding));
  }
  for (const ReportedSuppression& one : report.suppressions) {
    out["suppressions"].push_back(suppression_json(one));
  }
  if (report.baseline) out["baseline"] = baseline_json(*report.baseline);
  out["rules"] = Json::array();
  for (const Rule* rule : report.rules) out["rules"].push_back(rule_json(*rule));
  std::string whole = dumped(out, 2);
  if (report.series) {
    whole.resize(whole.size() - std::string_view("\n}").size());
    whole += ",\n";
    write_series(whole, *report.series);
    whole += '}';
  }
  return whole + "\n";
}

}  // namespace torchvet
