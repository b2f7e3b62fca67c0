// The two loaders of LibTorch that read what others save. torch::load reads modules of TorchScript
// by the names of their attributes. torch::pickle_load has an unpickler of its own: protocol 2
// alone, a short list of names, no set and no bytes, integers of 4 or 8 bytes; and what it makes of
// an OrderedDict is nothing, so that the first item that is put into one ends the load.
// Source: torch/csrc/jit/serialization/unpickler.cpp of torch 2.13, and runs of that release.
#include "formats/loaders/libtorch_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "formats/loaders/archive_route.h"
#include "formats/loaders/script_load.h"
#include "model/dtype.h"

namespace torchvet {
namespace {

LoadOutcome refused(std::string_view message) {
  return LoadOutcome::fails("c10::Error", message, LoadProblem::kConstruct);
}

/// As C++ throws it: what the reader of archives says is no RuntimeError there.
LoadOutcome in_cpp(LoadOutcome outcome) {
  constexpr std::string_view kPython = "RuntimeError: ";
  if (outcome.opens == false && outcome.text.starts_with(kPython)) {
    outcome.text.replace(0, kPython.size(), "c10::Error: ");
  }
  return outcome;
}

bool is_known(const PickleProgram::Import& import) {
  if (import.module == "torch._utils") {
    return import.name == "_rebuild_tensor_v2" || import.name == "_rebuild_parameter";
  }
  if (import.module == "collections") return import.name == "OrderedDict";
  return import.module == "torch" && dtype_from_storage_class(import.name).has_value();
}

/// What its unpickler says of the first name that it does not have; nothing of those of which it is
/// not known.
std::optional<LoadOutcome> refusal_of_names(const PickleProgram& pickle) {
  for (const PickleProgram::Import& import : pickle.imports) {
    if (is_known(import)) continue;
    if (import.module == "torch" && import.name == "Size") {
      return refused("Unpickler found unknown torch global, 'torch.Size'");
    }
    // The file may say `builtins` or, as protocol 2 does, `__builtin__`.
    if (import.module == "builtins") return refused("Unpickler found unknown type");
    if (import.module.starts_with("torch") || import.computed) {
      return LoadOutcome::undecided(
          fmt::format("LibTorch's unpickler may not know {}.{}", import.module, import.name));
    }
    return refused(
        fmt::format("Unpickler found unknown type {}.{}", import.module, import.name));
  }
  return std::nullopt;
}

/// Whether some integer has a length that LibTorch does not read: all but those of 4 or 8 bytes.
bool has_long_integer(const ObjectTree& tree) {
  for (ObjectId id = 0; id < tree.size(); ++id) {
    if (tree.as<Object::BigInt>(id) != nullptr) return true;
    const auto integer = tree.integer(id);
    if (integer && (*integer > INT32_MAX || *integer < INT32_MIN)) return true;
  }
  return false;
}

}  // namespace

LoadOutcome load_libtorch(const Source& source, const Artifact& artifact, const Limits& limits) {
  LoadOutcome outcome = in_cpp(load_script(source, artifact, limits));
  if (outcome.opens != true) return outcome;
  return LoadOutcome::undecided("it depends on what the program is loaded into");
}

LoadOutcome load_libtorch_pickle(const Source& source, const Artifact& artifact,
                                 const Limits& limits) {
  const std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
  if (const auto* ended = std::get_if<LoadOutcome>(&opened)) return in_cpp(*ended);
  if (!find_member(std::get<OpenedArchive>(opened).zip, "data.pkl")) {
    return in_cpp(record_missing("data.pkl"));
  }
  const bool sound = artifact.format == Format::kTorchZip && artifact.faults.empty() &&
                     artifact.pickles.size() == 1;
  if (!sound) return LoadOutcome::undecided("LibTorch's unpickler is not followed here");
  const PickleProgram& pickle = artifact.pickles.front();
  if (pickle.protocol > 2) {
    return refused("Only Pickle protocol 2 is supported");
  }
  if (pickle.protocol < 2) return LoadOutcome::undecided("the pickle is older than protocol 2");
  const ObjectTree& tree = artifact.objects;
  const bool filled = std::any_of(
      pickle.calls.begin(), pickle.calls.end(), [&](const PickleProgram::Call& record) {
        const Object::Call* call = tree.as<Object::Call>(record.object);
        return call != nullptr &&
               tree.qualified_name(record.callable) == "collections.OrderedDict" &&
               (!call->items().empty() || call->state != kNoObject);
      });
  const std::optional<LoadOutcome> by_name = refusal_of_names(pickle);
  const bool long_integer = has_long_integer(tree);
  // Which of them comes first is not looked for.
  if (filled && (by_name || long_integer)) return refused("");
  if (filled) return refused("Expected GenericDict but got None");
  if (by_name) return long_integer && by_name->opens == false ? refused("") : *by_name;
  if (long_integer) return refused("Expected length to be 8");
  for (const Storage& storage : artifact.storages) {
    if (storage.location != "cpu") {
      return LoadOutcome::undecided("a storage lies on " + storage.location);
    }
  }
  return LoadOutcome::opened();
}

}  // namespace torchvet
