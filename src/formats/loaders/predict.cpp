#include "formats/loaders/predict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "formats/loaders/allowed_names.h"
#include "formats/loaders/torch_load.h"
#include "model/pickle_effects.h"

namespace torchvet {
namespace {

/// The prediction for a release: that of a known one, or what the known ones before and after it
/// agree on.
LoadOutcome for_release(TorchRelease release,
                        const std::function<LoadOutcome(TorchRelease)>& predict) {
  const auto after = std::lower_bound(kKnownUnpicklers.begin(), kKnownUnpicklers.end(), release);
  if (after != kKnownUnpicklers.end() && *after == release) return predict(release);
  if (after == kKnownUnpicklers.begin() || after == kKnownUnpicklers.end()) {
    return LoadOutcome::undecided(
        fmt::format("what torch {} allows is not known here, only {} to {}", to_text(release),
                    to_text(kKnownUnpicklers.front()), to_text(kKnownUnpicklers.back())));
  }
  LoadOutcome older = predict(*(after - 1)), newer = predict(*after);
  if (older.opens == newer.opens && older.text == newer.text) return newer;
  return LoadOutcome::undecided(fmt::format("torch {} and {} differ here, and {} lies between",
                                            to_text(*(after - 1)), to_text(*after),
                                            to_text(release)));
}

/// Every name of the pickles that the release does not allow, as the pickles spell them.
std::vector<std::string> refused_names(const Artifact& artifact, TorchRelease release) {
  std::set<std::string> names;
  for (const PickleProgram& pickle : artifact.pickles) {
    for (const PickleProgram::Import& import : pickle.imports) {
      if (import.computed) continue;
      if (refusal_of_global(import.module, import.name, release).empty()) continue;
      names.insert(import.module == "builtins" ? import.name : import.module + "." + import.name);
    }
  }
  return {names.begin(), names.end()};
}

/// Whether loading it without restrictions would do what no checkpoint needs: what PKL001 reports.
bool has_effects(const Artifact& artifact) {
  return std::any_of(artifact.pickles.begin(), artifact.pickles.end(), [&](const PickleProgram& p) {
    return !effects_of(artifact.objects, p, 1).empty();
  });
}

std::string remedy_for_global(const Artifact& artifact, TorchRelease release) {
  constexpr std::size_t kMost = 32;
  const std::vector<std::string> names = refused_names(artifact, release);
  std::string remedy = "save only tensors, numbers, texts, lists and dicts";
  // Who allows `getattr` allows everything.
  const bool reaches = std::find(names.begin(), names.end(), "getattr") != names.end();
  if (names.empty() || names.size() > kMost || reaches) return remedy;
  return fmt::format(
      "{}; or, if you trust the file, allow at least: torch.serialization.add_safe_globals([{}])",
      remedy, fmt::join(names, ", "));
}

std::string remedy_of(const Artifact& artifact, const std::string& text, TorchRelease release) {
  const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  if (artifact.format == Format::kLfsPointer) return "git lfs pull";
  if (has_effects(artifact)) {
    return "none: loading it without restrictions would run what no checkpoint needs (`torchvet "
           "check` says what); do not load it";
  }
  if (says("was not an allowed global")) return remedy_for_global(artifact, release);
  if (says("must be imported to load nested")) return "import torch._dynamo first";
  if (says("must be imported to load DTensors")) return "import torch.distributed.tensor first";
  if (says("is_available() is False") || says("device module is not registered") ||
      says("Storage device not recognized")) {
    return "map_location=\"cpu\"";
  }
  if (says("with TorchScript archives")) return "torch.jit.load";
  if (artifact.format == Format::kExportedProgram) return "torch.export.load";
  if (artifact.format == Format::kSafetensors) return "safetensors.torch.load_file";
  if (says("failed finding central directory") || says("unexpected EOF") ||
      says("not a ZIP archive")) {
    return "get the file again: it is cut off";
  }
  const bool newer_protocol = std::any_of(artifact.pickles.begin(), artifact.pickles.end(),
                                          [](const PickleProgram& p) { return p.protocol > 2; });
  if (says("Unsupported operand") && newer_protocol) return "save it again with pickle_protocol=2";
  return {};
}

}  // namespace

void predict_loaders(const Source& source, TorchRelease release, const Limits& limits,
                     Artifact& artifact) {
  LoadOutcome outcome = for_release(release, [&](TorchRelease known) {
    return load_weights_only(source, artifact, known, limits);
  });
  LoaderPrediction prediction;
  prediction.loader = "torch.load(weights_only=True)";
  prediction.opens = outcome.opens;
  if (outcome.opens == false) prediction.remedy = remedy_of(artifact, outcome.text, release);
  prediction.error = std::move(outcome.text);
  artifact.loaders.push_back(std::move(prediction));
}

}  // namespace torchvet
