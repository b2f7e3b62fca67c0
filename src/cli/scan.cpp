#include "cli/scan.h"

#include <fmt/format.h>

#include <exception>
#include <new>
#include <utility>

#include "cli/parallel.h"
#include "cli/shown_model.h"
#include "core/digest.h"
#include "engine/runner.h"
#include "engine/suppress.h"
#include "formats/detect.h"
#include "formats/read.h"
#include "graph/provenance.h"
#include "model/expectation.h"
#include "model/program_form.h"
#include "values/values.h"

namespace torchvet {
namespace {

/// A file in which nothing could be looked at must never pass. The readers say why; this is the
/// last net, for a file whose format no rule that ran has judged.
void never_green_unread(Checked& checked, const Artifact& artifact) {
  const bool unread = artifact.format == Format::kUnknown ||
                      artifact.format == Format::kNotAModel ||
                      artifact.format == Format::kLfsPointer;
  if (!unread || !checked.findings.empty() || !checked.artifact.gaps.empty()) return;
  checked.artifact.gaps.push_back({"file", artifact.looks_like.empty()
                                               ? "it is no model that is known here"
                                               : "it is no model but " + artifact.looks_like});
}

}  // namespace

std::optional<std::uint64_t> parameter_count(const Artifact& artifact) {
  const std::vector<ModelView> models = model_views(artifact);
  if (!models.empty()) return count_parameters(artifact, models.front().entries);
  const bool is_model = !artifact.modules.empty() || !artifact.state_dicts.empty();
  return is_model ? std::optional<std::uint64_t>(0) : std::nullopt;
}

Gap gap_of(const std::exception& error) {
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
  return {"file", memory ? "there is not enough memory to look at all of it"
                         : fmt::format("internal error: {}", error.what())};
}

ReportedArtifact describe(const Input& input, const Artifact& artifact) {
  ReportedArtifact reported;
  reported.path = input.shown;
  reported.id = input.id;
  reported.size = artifact.source.size;
  reported.sha256 = artifact.source.sha256;
  reported.format = name_of(artifact.format);
  reported.kind = name_of(artifact.kind);
  reported.parameters = parameter_count(artifact);
  reported.gaps = artifact.gaps;
  return reported;
}

Scanner::Scanner(const Settings& settings) : settings_(settings), deadline_(settings.timeout) {}

void Scanner::read_graphs(Artifact& artifact) {
  if (artifact.script) {
    const std::lock_guard lock(worker_mutex_);
    worker_.read_graphs(artifact, deadline_.within(settings_.limits));
  }
  analyse_graphs(artifact);
}

std::optional<ReportedModel> Scanner::read_values(const std::vector<const Rule*>& rules,
                                                  Artifact& artifact, Preparation& prepared) {
  ValueWishes wishes;
  if (!settings_.skip_values) wishes = plan_values(rules, artifact);
  prepared.silent = std::move(wishes.silent);
  prepared.values_read = !wishes.plan.items.empty() && !deadline_.over(artifact.gaps, "values");
  if (!prepared.values_read) wishes.plan.items.clear();
  if (settings_.show_models) return read_shown_model(artifact, wishes.plan, settings_, deadline_);
  compute_values(artifact, wishes.plan, settings_.limits);
  return std::nullopt;
}

void Scanner::analyse(const std::shared_ptr<Source>& source, Checked& checked) {
  ReportedArtifact& reported = checked.artifact;
  if (deadline_.over(reported.gaps, "file")) return;
  const std::vector<const Rule*> rules = rules_for(settings_.policy, settings_.rules, reported.id);
  const bool wants_graph = needs_graph(rules);
  if (wants_graph && detect(source->bytes(), settings_.limits).format == Format::kTorchScript) {
    const std::lock_guard lock(worker_mutex_);
    worker_.start_early();
  }
  ReadOptions reading = {.limits = settings_.limits,
                         .graphs = wants_graph,
                         .digest = settings_.digest,
                         .loaders_of = std::nullopt,
                         .only_loaders = loaders_for(rules),
                         .folders = &folders_};
  if (!reading.only_loaders.empty()) {
    reading.loaders_of = release_from_text(settings_.intent.target_torch).value_or(kNewestTorch);
  }
  Artifact artifact = read_artifact(source, reading);
  Preparation prepared;
  prepared.has_program = artifact.script || !artifact.graphs.empty();
  if (wants_graph && prepared.has_program && !deadline_.over(artifact.gaps, "graphs")) {
    read_graphs(artifact);
    prepared.graphs_read = !artifact.graphs.empty();
  }
  std::optional<ReportedModel> shown = read_values(rules, artifact, prepared);
  artifact.source.path = reported.path;
  if (artifact.source.sha256.empty() && asks_for_sha256(settings_.policy, reported.id)) {
    artifact.source.sha256 = sha256_hex(source->bytes().text());
  }
  checked.findings = run_rules(rules, artifact, settings_.intent, settings_.limits);
  if (source->changed_while_read()) {
    artifact.add_gap("file", "it changed while it was read");
  }
  reported = describe({reported.path, reported.path, reported.id, nullptr, ""}, artifact);
  reported.form = name_of(program_form(artifact));
  reported.unseen = unseen_by(rules, artifact);
  reported.skipped = skipped_by(rules, prepared, checked.findings);
  reported.model = std::move(shown);
  never_green_unread(checked, artifact);
}

Checked Scanner::check_one(const Input& input, Progress& progress) {
  Checked checked;
  checked.artifact.path = input.shown;
  checked.artifact.id = input.id;
  checked.artifact.skipped = {skip_all(settings_.rules, "the file was not looked at")};
  progress.begin(input.shown);
  try {
    const Result<std::shared_ptr<Source>> source = open_input(input);
    if (source) {
      checked.artifact.size = (*source)->bytes().size();
      analyse(*source, checked);
    } else {
      checked.artifact.read_error = source.error().detail;
    }
  } catch (const std::exception& error) {
    checked.artifact.gaps.push_back(gap_of(error));
  }
  progress.end(checked.artifact.size);
  return checked;
}

std::vector<Checked> Scanner::check(const std::vector<Input>& inputs) {
  std::vector<Checked> results(inputs.size());
  Progress progress(use_progress(settings_.progress), inputs.size());
  for_each_parallel(inputs.size(), settings_.jobs,
                    [&](std::size_t i) { results[i] = check_one(inputs[i], progress); });
  return results;
}

}  // namespace torchvet
