// The reader of archives, then `constants.pkl`, then the pickle and the code that it names. Python
// asks for no names of members here, so that a stray one does no harm. The code is not compiled
// here: a program that the reader of TorchScript understood, and that uses no operators or classes
// but those of torch, is taken to compile.
#include "formats/loaders/script_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "core/checked.h"
#include "formats/loaders/archive_route.h"

namespace torchvet {
namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// The first namespace of operators or custom classes in the code that torch does not have.
std::string foreign_namespace(const std::string& code) {
  constexpr std::array<std::string_view, 9> kOfTorch = {"aten",   "prim",    "prims",
                                                        "sparse", "mkldnn",  "quantized",
                                                        "onnx",   "_caffe2", "profiler"};
  for (const std::string_view begin : {"ops.", "torch.classes."}) {
    for (std::size_t at = code.find(begin); at != code.npos; at = code.find(begin, at + 1)) {
      if (at > 0 && (is_name(code[at - 1]) || code[at - 1] == '.') && begin == "ops.") continue;
      std::size_t end = at + begin.size();
      while (end < code.size() && is_name(code[end])) ++end;
      const std::string_view name =
          std::string_view(code).substr(at + begin.size(), end - at - begin.size());
      if (std::find(kOfTorch.begin(), kOfTorch.end(), name) == kOfTorch.end()) {
        return std::string(name);
      }
    }
  }
  return {};
}

/// Whether a tensor names elements behind the end that the pickle gives its storage.
bool reaches_past(const Tensor& tensor, const Artifact& artifact) {
  if (!tensor.storage || *tensor.storage >= artifact.storages.size()) return false;
  const auto reached = tensor.elements_reached();
  const auto needed = reached ? checked_mul(*reached, item_size(tensor.dtype)) : std::nullopt;
  return !needed || *needed > artifact.storages[*tensor.storage].declared_bytes;
}

}  // namespace

LoadOutcome load_script(const Source& source, const Artifact& artifact, const Limits& limits) {
  const std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
  if (const auto* ended = std::get_if<LoadOutcome>(&opened)) return *ended;
  if (!find_member(std::get<OpenedArchive>(opened).zip, "constants.pkl")) {
    return record_missing("constants.pkl");
  }
  const bool sound = artifact.format == Format::kTorchScript && artifact.script &&
                     artifact.faults.empty() && artifact.gaps.empty();
  if (!sound) return LoadOutcome::undecided("the program could not be read in full");
  for (const CodeFile& file : artifact.script->code) {
    const std::string name = foreign_namespace(file.text);
    if (!name.empty()) {
      return LoadOutcome::undecided(fmt::format("it needs the library that registers `{}`", name));
    }
  }
  for (const CodeFile& file : artifact.script->code) {
    if (file.text.find("ops.prim.ConstantMKLDNNTensor()") != std::string::npos) {
      return LoadOutcome::undecided("its code names constants of MKLDNN that it does not hold");
    }
  }
  for (const Tensor& tensor : artifact.tensors) {
    if (reaches_past(tensor, artifact)) {
      return LoadOutcome::undecided("a tensor reaches past its storage");
    }
  }
  std::set<std::string_view> places;
  for (const Storage& storage : artifact.storages) {
    if (storage.location != "cpu") places.insert(storage.location);
  }
  if (places.size() == 1 && places.contains("cuda")) {
    return LoadOutcome::fails("RuntimeError", "PyTorch is not linked with support for cuda devices",
                              LoadProblem::kDevice);
  }
  const bool numbered = std::all_of(places.begin(), places.end(), [](std::string_view place) {
    return place.starts_with("cuda:");
  });
  if (!places.empty() && numbered) {
    return LoadOutcome::fails("NotImplementedError",
                              "Could not run 'aten::empty_strided' with arguments from the "
                              "'CUDA' backend",
                              LoadProblem::kDevice);
  }
  if (!places.empty()) {
    return LoadOutcome::undecided(fmt::format("a storage lies on {}", *places.begin()));
  }
  return LoadOutcome::opened();
}

}  // namespace torchvet
