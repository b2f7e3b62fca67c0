#include "cli/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <set>
#include <thread>

#include "cli/interrupt.h"
#include "engine/runner.h"
#include "formats/detect.h"
#include "formats/read.h"
#include "graph/provenance.h"
#include "values/values.h"

namespace torchvet {
namespace {

using Clock = std::chrono::steady_clock;

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
  std::set<TensorId> tensors;
  const auto add = [&](TensorId id) {
    if (id < artifact.tensors.size() && artifact.tensors[id].role == TensorRole::kParameter) {
      tensors.insert(id);
    }
  };
  for (const Module& module : artifact.modules) {
    for (const ModuleTensor& parameter : module.parameters) {
      if (parameter.tensor) add(*parameter.tensor);
    }
  }
  if (artifact.modules.empty() && !artifact.state_dicts.empty()) {
    for (const StateEntry& entry : artifact.state_dicts.front().entries) add(entry.tensor);
  }
  if (artifact.modules.empty() && artifact.state_dicts.empty()) return std::nullopt;
  std::uint64_t count = 0;
  for (const TensorId id : tensors) {
    const std::optional<std::uint64_t> elements = artifact.tensors[id].element_count();
    if (!elements || __builtin_add_overflow(count, *elements, &count)) return std::nullopt;
  }
  return count;
}

ReportedArtifact describe(const Input& input, const Artifact& artifact) {
  ReportedArtifact reported;
  reported.path = input.shown;
  reported.id = input.id;
  reported.size = artifact.source.size;
  reported.format = name_of(artifact.format);
  reported.kind = name_of(artifact.kind);
  reported.parameters = parameter_count(artifact);
  reported.gaps = artifact.gaps;
  return reported;
}

Scanner::Scanner(const Settings& settings)
    : settings_(settings), wants_graph_(needs_graph(settings.rules)) {
  if (settings.timeout) deadline_ = Clock::now() + *settings.timeout;
}

bool Scanner::out_of_time(std::vector<Gap>& gaps, std::string_view what) const {
  if (interrupted()) {
    gaps.push_back({std::string(what), "interrupted"});
    return true;
  }
  if (deadline_ && Clock::now() >= *deadline_) {
    gaps.push_back({std::string(what), "the time given by --timeout is over"});
    return true;
  }
  return false;
}

void Scanner::read_graphs(Artifact& artifact) {
  Limits limits = settings_.limits;
  if (deadline_) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*deadline_ - Clock::now()).count();
    limits.worker_seconds = std::min(limits.worker_seconds,
                                     static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1)));
  }
  const std::lock_guard lock(worker_mutex_);
  worker_.read_graphs(artifact, limits);
  analyse_graphs(artifact);
}

void Scanner::analyse(const std::shared_ptr<Source>& source, Checked& checked) {
  ReportedArtifact& reported = checked.artifact;
  if (out_of_time(reported.gaps, "file")) return;
  if (wants_graph_ && detect(source->bytes(), settings_.limits).format == Format::kTorchScript) {
    const std::lock_guard lock(worker_mutex_);
    worker_.start_early();
  }
  Artifact artifact = read_artifact(source, {settings_.limits, wants_graph_});
  const bool has_program =
      wants_graph_ && artifact.format == Format::kTorchScript && artifact.script.has_value();
  if (has_program && !out_of_time(artifact.gaps, "graphs")) {
    read_graphs(artifact);
    analyse_graphs(artifact);
  }
  if (!settings_.skip_values) {
    const ValuePlan plan = plan_values(settings_.rules, artifact);
    if (!plan.items.empty() && !out_of_time(artifact.gaps, "values")) {
      compute_values(artifact, plan, settings_.limits);
    }
  }
  artifact.source.path = reported.path;
  checked.findings = run_rules(settings_.rules, artifact, settings_.intent, settings_.limits);
  if (source->changed_while_read()) {
    artifact.add_gap("file", "it changed while it was read");
  }
  reported = describe({reported.path, reported.path, reported.id, nullptr, ""}, artifact);
  never_green_unread(checked, artifact);
}

Checked Scanner::check_one(const Input& input, Progress& progress) {
  Checked checked;
  checked.artifact.path = input.shown;
  checked.artifact.id = input.id;
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
    checked.artifact.gaps.push_back({"file", fmt::format("internal error: {}", error.what())});
  }
  progress.end(checked.artifact.size);
  return checked;
}

std::vector<Checked> Scanner::check(const std::vector<Input>& inputs) {
  std::vector<Checked> results(inputs.size());
  Progress progress(use_progress(settings_.progress), inputs.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < inputs.size(); i = next++) {
      results[i] = check_one(inputs[i], progress);
    }
  };
  const std::size_t wanted = std::min<std::size_t>(settings_.jobs, inputs.size());
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < wanted; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  return results;
}

}  // namespace torchvet
