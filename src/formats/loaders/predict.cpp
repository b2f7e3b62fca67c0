#include "formats/loaders/predict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "formats/loaders/allowed_names.h"
#include "formats/loaders/dcp_load.h"
#include "formats/loaders/export_load.h"
#include "formats/loaders/libtorch_load.h"
#include "formats/loaders/safetensors_load.h"
#include "formats/loaders/script_load.h"
#include "formats/loaders/torch_load.h"
#include "formats/loaders/torch_load_unrestricted.h"
#include "model/pickle_reports.h"

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

/// Every name of the pickles that the release does not allow, as the pickles spell them. For a release
/// older or newer than those known, the nearest of these.
std::vector<std::string> refused_names(const Artifact& artifact, TorchRelease release) {
  release = std::clamp(release, kKnownUnpicklers.front(), kKnownUnpicklers.back());
  std::set<std::string> names;
  for (const PickleProgram& pickle : artifact.pickles) {
    for (const PickleProgram::Import& import : pickle.imports) {
      if (import.computed || !refusal_of_global(import.module, import.name, release)) continue;
      names.insert(shown_name(import));
    }
  }
  return {names.begin(), names.end()};
}

/// The unpickler appends to lists alone, and since 2.13 sets items of three kinds of dict alone: an
/// instance of any other class with elements or items does not load, whatever names are allowed.
bool fills_other_containers(const Artifact& artifact, TorchRelease release) {
  constexpr TorchRelease kTargetsChecked = {2, 13};
  const ObjectTree& tree = artifact.objects;
  const auto fills = [&](const PickleProgram::Call& record) {
    const Object::Call* call = tree.as<Object::Call>(record.object);
    const Object::Global* type = tree.as<Object::Global>(record.callable);
    if (call == nullptr || type == nullptr) return false;
    if (!call->appended().empty()) return true;
    return release >= kTargetsChecked && !call->items().empty() &&
           !(type->module == "collections" &&
             (type->name == "OrderedDict" || type->name == "Counter"));
  };
  return std::any_of(artifact.pickles.begin(), artifact.pickles.end(), [&](const PickleProgram& p) {
    return std::any_of(p.calls.begin(), p.calls.end(), fills);
  });
}

/// The class of each element type that a pickled numpy array or number has: torch wants it allowed
/// although the pickle does not name it. "f8" is `numpy.dtypes.Float64DType`.
std::set<std::string> numpy_classes(const Artifact& artifact) {
  struct Row {
    std::string_view code, name;
  };
  constexpr Row kRows[] = {{"b1", "Bool"},      {"i1", "Int8"},       {"i2", "Int16"},
                           {"i4", "Int32"},     {"i8", "Int64"},      {"u1", "UInt8"},
                           {"u2", "UInt16"},    {"u4", "UInt32"},     {"u8", "UInt64"},
                           {"f2", "Float16"},   {"f4", "Float32"},    {"f8", "Float64"},
                           {"c8", "Complex64"}, {"c16", "Complex128"}, {"O8", "Object"},
                           {"M8", "DateTime64"}, {"m8", "TimeDelta64"}};
  const ObjectTree& tree = artifact.objects;
  std::set<std::string> classes;
  for (const PickleProgram& pickle : artifact.pickles) {
    for (const PickleProgram::Call& record : pickle.calls) {
      if (tree.qualified_name(record.callable) != "numpy.dtype") continue;
      const Object::Call* call = tree.as<Object::Call>(record.object);
      const auto* arguments = call ? tree.sequence(call->arguments) : nullptr;
      if (arguments == nullptr || arguments->empty()) continue;
      const std::string_view code = tree.text(arguments->front()).value_or("");
      for (const Row& row : kRows) {
        if (row.code == code) classes.insert(fmt::format("numpy.dtypes.{}DType", row.name));
      }
      if (code.starts_with('S')) classes.insert("numpy.dtypes.BytesDType");
      if (code.starts_with('U')) classes.insert("numpy.dtypes.StrDType");
      if (code.starts_with('V')) classes.insert("numpy.dtypes.VoidDType");
    }
  }
  return classes;
}

/// As one writes it in Python: what numpy 1 called `numpy.core`, and the constants of Python, have
/// another name than torch looks for.
std::string python_spelling(const std::string& name) {
  constexpr std::string_view kOldNumpy = "numpy.core.";
  if (name.starts_with(kOldNumpy)) {
    return fmt::format("(numpy._core.{0}, \"numpy.core.{0}\")", name.substr(kOldNumpy.size()));
  }
  if (name == "Ellipsis" || name == "NotImplemented") {
    return fmt::format("({0}, \"builtins.{0}\")", name);
  }
  return name;
}

std::string remedy_for_names(const Artifact& artifact, std::vector<std::string> names,
                             TorchRelease release) {
  constexpr std::size_t kMost = 32;
  std::string remedy = "save only tensors, numbers, texts, lists and dicts";
  // Who allows `getattr` allows everything.
  const bool reaches = std::find(names.begin(), names.end(), "getattr") != names.end();
  const std::set<std::string> hidden = numpy_classes(artifact);
  // The stream of before 1.6 marks the class of each module in a way that is refused.
  const bool marked = artifact.format == Format::kTorchLegacy && !artifact.modules.empty();
  if (names.empty() || names.size() + hidden.size() > kMost || reaches || marked ||
      fills_other_containers(artifact, release)) {
    return remedy;
  }
  if (std::find(names.begin(), names.end(), "numpy.dtype") != names.end()) {
    names.insert(names.end(), hidden.begin(), hidden.end());
  }
  for (std::string& name : names) name = python_spelling(name);
  return fmt::format(
      "{}; or, if you trust the file, allow: torch.serialization.add_safe_globals([{}])", remedy,
      fmt::join(names, ", "));
}

bool is_about_names(LoadProblem problem) {
  return problem == LoadProblem::kName || problem == LoadProblem::kBlockedName ||
         problem == LoadProblem::kNested || problem == LoadProblem::kDistributed;
}

/// The loader that the file was written for.
std::string_view own_loader(const Artifact& artifact) {
  switch (artifact.format) {
    case Format::kTorchZip:
    case Format::kTorchLegacy:
      return "torch.load";
    case Format::kTorchScript:
      return "torch.jit.load";
    case Format::kExportedProgram:
      return "torch.export.load";
    case Format::kSafetensors:
      return "safetensors.torch.load_file";
    case Format::kDcpMetadata:
      return "torch.distributed.checkpoint.load of the folder";
    default:
      return {};
  }
}

std::string remedy_of(const Artifact& artifact, const LoaderPrediction& said,
                      TorchRelease release) {
  if (artifact.format == Format::kLfsPointer) return "git lfs pull";
  if (does_more_than_load(artifact)) {
    return "none: loading it without restrictions would run what no checkpoint needs (`torchvet "
           "check` says what); do not load it";
  }
  switch (said.problem) {
    case LoadProblem::kName:
      return remedy_for_names(artifact, said.names, release);
    case LoadProblem::kNested:
      return "import torch._dynamo first";
    case LoadProblem::kDistributed:
      return "import torch.distributed.tensor first";
    case LoadProblem::kDevice:
      if (said.error.starts_with("TypeError")) return "load it with a torch for CUDA, where a GPU is";
      if (said.names.empty()) return "map_location=\"cpu\"";
      return remedy_for_names(artifact, said.names, release) +
             "; and map_location=\"cpu\" where the device is missing";
    case LoadProblem::kCut: {
      const bool whole = artifact.format == Format::kSafetensors ||
                         artifact.format == Format::kDcpMetadata ||
                         artifact.format == Format::kRawPickle ||
                         (artifact.format == Format::kTorchLegacy &&
                          !said.loader.starts_with(own_loader(artifact)));
      if (whole) break;
      return "get the file again: it is cut off, or is something else";
    }
    case LoadProblem::kNoArchive:
      if (artifact.format == Format::kTorchLegacy) return "save it again with torch.save";
      break;
    case LoadProblem::kTorchScript:
    case LoadProblem::kTar:
    case LoadProblem::kBlockedName:
    case LoadProblem::kOpcode:
    case LoadProblem::kConstruct:
    case LoadProblem::kContainer:
    case LoadProblem::kOutside:
    case LoadProblem::kOther:
      break;
  }
  const bool newer_protocol = std::any_of(artifact.pickles.begin(), artifact.pickles.end(),
                                          [](const PickleProgram& p) { return p.protocol > 2; });
  if (said.problem == LoadProblem::kOpcode && newer_protocol) {
    return "save it again with pickle_protocol=2";
  }
  if (said.loader == kPickleLoader && said.problem == LoadProblem::kConstruct &&
      artifact.format == Format::kTorchZip) {
    return "save a plain dict of tensors: torch.save(dict(state_dict), path)";
  }
  // Whoever takes the wrong loader is told the right one.
  const std::string_view own = own_loader(artifact);
  return said.loader.starts_with(own) ? std::string() : std::string(own);
}

/// What every loader is asked.
struct Question {
  const Source& source;
  const Artifact& artifact;
  TorchRelease release;
  const Limits& limits;
  std::optional<LoadOutcome> restricted;  ///< what weights_only=True answers, once it was asked
};

const LoadOutcome& restricted(Question& q) {
  if (!q.restricted) {
    q.restricted = for_release(q.release, [&](TorchRelease known) {
      return load_weights_only(q.source, q.artifact, known, q.limits);
    });
  }
  return *q.restricted;
}

struct Loader {
  std::string_view name;
  LoadOutcome (*load)(Question&);
};

constexpr Loader kLoaders[] = {
    {kWeightsOnlyLoader, [](Question& q) { return restricted(q); }},
    {"torch.load(weights_only=False)",
     [](Question& q) {
       return load_unrestricted(q.source, q.artifact, restricted(q), q.release, q.limits);
     }},
    {"torch.load(mmap=True)",
     [](Question& q) {
       return for_release(q.release, [&](TorchRelease known) {
         return load_mapped(q.source, q.artifact, known, q.limits);
       });
     }},
    {kScriptLoader,
     [](Question& q) { return load_script(q.source, q.artifact, q.limits); }},
    {"torch::load",
     [](Question& q) { return load_libtorch(q.source, q.artifact, q.limits); }},
    {kPickleLoader,
     [](Question& q) { return load_libtorch_pickle(q.source, q.limits); }},
    {kExportLoader,
     [](Question& q) { return load_export(q.source, q.artifact, q.release, q.limits); }},
    {"safetensors", [](Question& q) { return load_safetensors(q.source, q.artifact); }},
    {"torch.distributed.checkpoint",
     [](Question& q) { return load_distributed(q.artifact); }},
};

/// A file that torch.save wrote and that torch.load may or may not open is not understood, unless what is
/// wrong with it is told already.
void add_gap_where_undecided(TorchRelease release, Artifact& artifact) {
  const bool saved =
      artifact.format == Format::kTorchZip || artifact.format == Format::kTorchLegacy;
  const bool known = std::find(kKnownUnpicklers.begin(), kKnownUnpicklers.end(), release) !=
                     kKnownUnpicklers.end();
  const LoaderPrediction* said = prediction_of(artifact, kWeightsOnlyLoader);
  if (!saved || !known || said == nullptr || said->opens || said->problem == LoadProblem::kOutside) {
    return;
  }
  const bool told = !artifact.gaps.empty() ||
                    !std::all_of(artifact.faults.begin(), artifact.faults.end(), is_of_layout);
  if (told) return;
  artifact.add_gap(std::string(kWeightsOnlyLoader),
                   "it is not decided whether it opens: " + said->error);
}

}  // namespace

void predict_loaders(const Source& source, TorchRelease release,
                     std::span<const std::string_view> names, const Limits& limits,
                     Artifact& artifact) {
  Question question{source, artifact, release, limits, std::nullopt};
  std::vector<LoaderPrediction> predictions;
  for (const Loader& loader : kLoaders) {
    if (!names.empty() && std::find(names.begin(), names.end(), loader.name) == names.end()) {
      continue;
    }
    LoadOutcome outcome = loader.load(question);
    LoaderPrediction& said = predictions.emplace_back();
    said.loader = loader.name;
    said.opens = outcome.opens;
    said.error = std::move(outcome.text);
    said.problem = outcome.problem;
    said.where = std::move(outcome.where);
  }

  std::optional<std::vector<std::string>> refused;  // by the restricted unpickler
  for (LoaderPrediction& said : predictions) {
    // Where the device is there, the names are what stops the load.
    const bool after_device =
        said.problem == LoadProblem::kDevice && said.loader == kWeightsOnlyLoader;
    const bool of_program =
        said.loader == kExportLoader && artifact.format == Format::kExportedProgram;
    if (of_program || (said.opens == false && (is_about_names(said.problem) || after_device))) {
      if (!refused) refused = refused_names(artifact, release);
      said.names = *refused;
    }
    if (said.opens == false) said.remedy = remedy_of(artifact, said, release);
  }
  artifact.loaders = std::move(predictions);
  add_gap_where_undecided(release, artifact);
}

}  // namespace torchvet
