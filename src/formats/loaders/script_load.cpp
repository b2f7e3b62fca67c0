// The reader of archives, then `constants.pkl`, then the pickle and the code that it names. Python
// asks for no names of members here, so that a stray one does no harm. The code is not compiled
// here: a program that the reader of TorchScript understood, and that uses no operators or classes
// but those of torch, is taken to compile.
#include "formats/loaders/script_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <variant>

#include "formats/loaders/archive_route.h"
#include "formats/loaders/libtorch_pickle.h"
#include "formats/torchscript_classes.h"
#include "model/pickle_reports.h"

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

/// What the two pickles come to: the constants of the code, then the module.
LoadOutcome build(const Source& source, const ZipDirectory& zip, const Artifact& artifact,
                  const Limits& limits) {
  if (!artifact.script) return LoadOutcome::undecided("it is no program of TorchScript");
  ScriptClasses classes;
  for (const CodeFile& file : artifact.script->code) {
    add_script_classes(file.name, file.text, classes);
  }
  using enum LibtorchReading::Root;
  for (const auto& [name, root] : {std::pair("constants", kTuple), std::pair("data", kModule)}) {
    LoadOutcome outcome =
        unpickle_as_libtorch(source, zip, name, limits, {nullptr, &classes, root});
    if (outcome.opens != true) return outcome;
  }
  return LoadOutcome::opened();
}

}  // namespace

LoadOutcome load_program(const Source& source, const Artifact& artifact, const Limits& limits) {
  const std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
  if (const auto* ended = std::get_if<LoadOutcome>(&opened)) return *ended;
  if (!find_member(std::get<OpenedArchive>(opened).zip, "constants.pkl")) {
    return record_missing("constants.pkl");
  }
  const bool broken_code =
      std::any_of(artifact.faults.begin(), artifact.faults.end(), [](const Fault& fault) {
        return fault.member.find("/code/") != fault.member.npos && !is_of_layout(fault);
      });
  if (broken_code) return LoadOutcome::undecided("the code of the program is damaged");
  const LoadOutcome built = build(source, std::get<OpenedArchive>(opened).zip, artifact, limits);
  if (built.opens == false) return built;
  const bool sound = artifact.format == Format::kTorchScript && artifact.script &&
                     artifact.gaps.empty() &&
                     std::all_of(artifact.faults.begin(), artifact.faults.end(), is_of_layout);
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
  return built;
}

LoadOutcome load_script(const Source& source, const Artifact& artifact, const Limits& limits) {
  return in_python(load_program(source, artifact, limits));
}

}  // namespace torchvet
