#include "report/inspect.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/config_keys.h"
#include "cli/deadline.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "cli/verbs.h"
#include "formats/read.h"
#include "graph/provenance.h"
#include "graph/worker_client.h"
#include "report/graph_dot.h"
#include "values/values.h"

namespace torchvet {
namespace {

std::vector<Part> parts_of(const Options& options) {
  std::vector<Part> parts;
  for (const std::string& name : options.what) {
    const std::optional<Part> part = part_from_name(name);
    if (part && std::find(parts.begin(), parts.end(), *part) == parts.end()) parts.push_back(*part);
  }
  if (parts.empty()) parts.push_back(Part::kSummary);
  return parts;
}

bool asks(const std::vector<Part>& parts, Part part) {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

/// What printing needs of the values: what was asked of every tensor, the steps of the optimizers.
ValuePlan plan_of(const Artifact& artifact, const std::vector<Part>& parts, Quantities quantities) {
  ValuePlan plan;
  for (TensorId id = 0; quantities != 0 && id < artifact.tensors.size(); ++id) {
    if (artifact.tensors[id].layout == Layout::kStrided) plan.items.push_back({id, quantities});
  }
  if (!asks(parts, Part::kOptimizer)) return plan;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (entry.step_tensor) plan.items.push_back({*entry.step_tensor, kMoments});
    }
  }
  return plan;
}

Artifact prepare(const std::shared_ptr<Source>& source, const std::vector<Part>& parts,
                 Quantities quantities, TorchRelease release, const Limits& limits,
                 const Deadline& deadline) {
  const bool graphs = asks(parts, Part::kGraph);
  ReadOptions reading = {limits, /*graphs=*/graphs};
  if (asks(parts, Part::kLoaders)) reading.loaders_of = release;
  Artifact artifact = read_artifact(source, reading);
  if (graphs && artifact.script && !deadline.over(artifact.gaps, "graphs")) {
    GraphWorker worker;
    worker.read_graphs(artifact, deadline.within(limits));
  }
  if (graphs) analyse_graphs(artifact);
  const ValuePlan plan = plan_of(artifact, parts, quantities);
  if (!plan.items.empty() && !deadline.over(artifact.gaps, "values")) {
    compute_values(artifact, plan, limits);
  }
  return artifact;
}

std::string text_of(const Artifact& artifact, const std::vector<Part>& parts,
                    const Options& options) {
  if (options.format == "dot") return graphs_dot(artifact.graphs, artifact.gaps);
  if (!options.json && options.format != "json") return inspect_text(artifact, parts);
  return inspect_json(artifact, parts)
             .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace

int run_inspect(const Options& options) {
  const Result<Limits> limits = make_limits(options);
  const auto timeout = make_timeout(options);
  if (!limits || !timeout) {
    complain(!limits ? limits.error().detail : timeout.error().detail);
    return kExitError;
  }
  if (options.paths.size() != 1) {
    complain("inspect prints one file: `torchvet inspect PATH`");
    return kExitError;
  }
  const std::string& target = options.target_torch;
  if (!target.empty() && !is_torch_version(target)) {
    complain("--target-torch: `" + target + "` is no version like 2.9");
    return kExitError;
  }
  const TorchRelease release = release_from_text(target).value_or(kNewestTorch);
  const std::vector<Part> parts = parts_of(options);
  if (options.format == "dot" && (options.json || parts != std::vector<Part>{Part::kGraph})) {
    complain("--format dot draws graphs: `torchvet inspect --what graph --format dot PATH`");
    return kExitError;
  }
  watch_interrupts();
  const Result<Input> input = the_input(options, options.paths.front());
  if (!input) {
    complain(input.error().detail);
    return kExitError;
  }
  const Result<std::shared_ptr<Source>> source = open_input(*input);
  if (!source) {
    complain(input->path + ": " + source.error().detail);
    return kExitError;
  }
  Quantities quantities = options.digests ? Quantities{kDigest} : 0;
  if (options.values) quantities |= kMoments | kSums | kFingerprint | kRows;
  const Artifact artifact =
      prepare(*source, parts, quantities, release, *limits, Deadline(*timeout));
  const std::string text = text_of(artifact, parts, options);
  if (!print(text)) return kExitError;
  if (interrupted()) return kExitInterrupted;
  return artifact.gaps.empty() || options.allow_incomplete ? kExitPass : kExitIncomplete;
}

}  // namespace torchvet
