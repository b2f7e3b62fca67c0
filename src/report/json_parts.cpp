#include "report/json_parts.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "core/escape.h"

namespace torchvet {
namespace {

using Json = ReportJson;

std::string text(std::string_view raw) { return to_utf8(raw); }

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

/// JSON has neither infinities nor NaN: they are null, as what is not known.
Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

}  // namespace

ReportJson text_json(std::string_view raw) { return text(raw); }

Json tool_json(const Report& report) {
  Json tool = {{"name", "torchvet"}, {"version", report.version}, {"libtorch", nullptr}};
  if (!report.libtorch.empty()) tool["libtorch"] = text(report.libtorch);
  return tool;
}

Json summary_json(const Report& report) {
  return {
      {"error", report.counts.error},         {"warning", report.counts.warning},
      {"note", report.counts.note},           {"suppressed", report.counts.suppressed},
      {"baselined", report.counts.baselined}, {"hidden_by_confidence", report.hidden_by_confidence},
      {"artifacts", report.artifacts.size()}, {"bytes", report.bytes}};
}

Json run_json(const Report& report) {
  Json argv = Json::array();
  for (const std::string& argument : report.argv) argv.push_back(text(argument));
  Json limits = Json::object();
  for (const LimitName& limit : limit_names()) {
    limits[std::string(limit.name)] = report.limits.*limit.field;
  }
  Json run = {{"argv", std::move(argv)},
              {"limits", std::move(limits)},
              {"fail_on", report.fail_on ? name_of(*report.fail_on) : "never"},
              {"reproducible", report.reproducible}};
  for (const std::string& file : report.config_files) run["config"].push_back(text(file));
  if (report.passed_over.files > 0) {
    Json first = Json::array();
    for (const std::string& path : report.passed_over.first) first.push_back(text(path));
    run["passed_over"] = {{"files", report.passed_over.files}, {"first", std::move(first)}};
  }
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
  if (!artifact.form.empty()) out["form"] = text(artifact.form);
  out["unseen"] = Json::array();
  for (const ReportedUnseen& unseen : artifact.unseen) {
    out["unseen"].push_back({{"code", unseen.code}, {"what", text(unseen.what)}});
  }
  out["skipped"] = Json::array();
  for (const ReportedSkip& skip : artifact.skipped) {
    out["skipped"].push_back({{"why", text(skip.why)}, {"codes", skip.codes}});
  }
  if (!artifact.read_error.empty()) out["error"] = text(artifact.read_error);
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

Json interval_json(const ReportedInterval& i) {
  Json out = {{"from", text(i.from)},
              {"to", text(i.to)},
              {"from_step", text(i.from_step)},
              {"to_step", text(i.to_step)},
              {"tensors", i.tensors},
              {"moved", i.moved},
              {"static", i.tensors - i.moved},
              {"unknown", i.unknown},
              {"median_update", number(i.median_update)}};
  if (i.median_update && std::isinf(*i.median_update)) out["median_infinite"] = true;
  return out;
}

ReportJson diff_json(const ReportedDiff& diff) {
  ReportJson changes = ReportJson::array();
  for (const ReportedChange& change : diff.changes) {
    changes.push_back({{"change", change.kind},
                       {"compatibility", name_of(change.compatibility)},
                       {"name", text_json(change.name)},
                       {"before", text_json(change.before)},
                       {"after", text_json(change.after)},
                       {"renamed", text_json(change.renamed)},
                       {"same_numbers", change.same_numbers},
                       {"tensors", change.count}});
  }
  const auto side = [](std::uint64_t tensors, const std::optional<std::uint64_t>& parameters) {
    return ReportJson{{"tensors", tensors},
                      {"parameters", parameters ? ReportJson(*parameters) : ReportJson(nullptr)}};
  };
  return {{"path", text_json(diff.path)},
          {"against", text_json(diff.against)},
          {"compatibility", name_of(diff.compatibility)},
          {"before", side(diff.tensors_before, diff.parameters_before)},
          {"after", side(diff.tensors, diff.parameters)},
          {"same", diff.same},
          {"changes", std::move(changes)}};
}

Json rule_json(const Rule& rule) {
  return {{"code", rule.code},
          {"name", rule.name},
          {"summary", rule.summary},
          {"severity", name_of(rule.severity)},
          {"confidence", name_of(rule.confidence)}};
}

std::string track_line(const ReportedTrack& track) {
  std::string out =
      fmt::format(R"({{"name":{},"parameter":{},"mark":{})", json_line(text_json(track.name)),
                  track.parameter, json_line(name_of(track.mark)));
  if (track.mark == TrackMark::kReplaced || track.mark == TrackMark::kNotFinite) {
    out += fmt::format(R"(,"marked_in":{})", track.marked_in);
  }
  out += R"(,"relative_update":[)";
  std::string infinite;
  for (std::size_t at = 0; at < track.updates.size(); ++at) {
    if (at > 0) out += ',';
    if (std::isfinite(track.updates[at])) {
      fmt::format_to(std::back_inserter(out), "{}", track.updates[at]);
    } else {
      out += "null";
    }
    if (std::isinf(track.updates[at])) {
      infinite += fmt::format("{}{}", infinite.empty() ? "" : ",", at);
    }
  }
  out += ']';
  if (!infinite.empty()) out += fmt::format(R"(,"infinite_in":[{}])", infinite);
  return out + '}';
}

std::string json_line(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace torchvet
