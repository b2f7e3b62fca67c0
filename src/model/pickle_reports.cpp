#include "model/pickle_reports.h"

#include <algorithm>

#include "model/pickle_effects.h"

namespace torchvet {
namespace {

/// Whether there is a fault in the pickle of this name, rather than in where it lies.
bool is_broken(const Artifact& artifact, std::string_view pickle) {
  return std::any_of(artifact.faults.begin(), artifact.faults.end(), [&](const Fault& fault) {
    return fault.member == pickle && !is_of_layout(fault);
  });
}

bool has_broken_pickle(const Artifact& artifact) {
  return std::any_of(
      artifact.pickles.begin(), artifact.pickles.end(),
      [&](const PickleProgram& pickle) { return is_broken(artifact, pickle.name); });
}

}  // namespace

bool is_of_layout(const Fault& fault) {
  return fault.error.code == ErrorCode::kZipRepacked ||
         fault.error.code == ErrorCode::kZipOffsetsMoved;
}

bool is_pickled_whole(const Module& module) {
  return !module.parent && module.registration == Registration::kRegistered;
}

bool holds_whole_module(const Artifact& artifact) {
  const bool pickled =
      artifact.format == Format::kTorchZip || artifact.format == Format::kTorchLegacy ||
      artifact.format == Format::kTorchTar || artifact.format == Format::kRawPickle;
  return pickled && !artifact.pickles.empty() &&
         std::any_of(artifact.modules.begin(), artifact.modules.end(), is_pickled_whole);
}

bool does_more_than_load(const Artifact& artifact) {
  return std::any_of(artifact.pickles.begin(), artifact.pickles.end(), [&](const PickleProgram& p) {
    return !effects_of(artifact.objects, p, 1).empty();
  });
}

const LoaderPrediction* prediction_of(const Artifact& artifact, std::string_view loader) {
  const auto said =
      std::find_if(artifact.loaders.begin(), artifact.loaders.end(),
                   [&](const LoaderPrediction& one) { return one.loader == loader; });
  return said == artifact.loaders.end() ? nullptr : &*said;
}

const LoaderPrediction* refused_by_weights_only(const Artifact& artifact) {
  const bool saved = artifact.format == Format::kTorchZip ||
                     artifact.format == Format::kTorchLegacy ||
                     artifact.format == Format::kTorchTar;
  // What torch says of a file that is compressed as a whole, it does not say of the pickle.
  if (!saved || has_broken_pickle(artifact) || !artifact.source.compression.empty()) return nullptr;
  const LoaderPrediction* said = prediction_of(artifact, kWeightsOnlyLoader);
  if (said == nullptr || said->opens != false) return nullptr;
  // A program of TorchScript without its other parts.
  const bool script = std::any_of(
      said->names.begin(), said->names.end(),
      [](const std::string& name) { return name.starts_with("__torch__."); });
  if (script) return nullptr;
  if (holds_whole_module(artifact) || does_more_than_load(artifact)) return nullptr;
  return said;
}

const LoaderPrediction* refused_by_script_loader(const Artifact& artifact) {
  const LoaderPrediction* said = artifact.format == Format::kTorchScript
                                     ? prediction_of(artifact, kScriptLoader)
                                     : nullptr;
  if (said == nullptr || said->opens != false || !said->where) return nullptr;
  const bool asked_for =
      said->problem == LoadProblem::kConstruct || said->problem == LoadProblem::kOpcode;
  return asked_for && !is_broken(artifact, said->where->member) ? said : nullptr;
}

std::string shown_name(const PickleProgram::Import& import) {
  return import.module == "builtins" ? import.name : import.module + "." + import.name;
}

std::string listed_names(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += "`" + names[i] + "`";
  }
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

}  // namespace torchvet
