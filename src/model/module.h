#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/object.h"
#include "model/storage.h"

namespace torchvet {

using ModuleId = std::uint32_t;

/// How the module system knows a module.
enum class Registration : std::uint8_t {
  kRegistered,   ///< the root, or reachable from it through registered submodules
  kUnregistered, ///< reachable only through plain attributes: containers, or attributes of those
};

/// A tensor that a module holds under a name of its own.
struct ModuleTensor {
  std::string name;                ///< "weight"
  std::optional<TensorId> tensor;  ///< none: registered as None
  bool persistent = true;          ///< for buffers: part of the state_dict
};

/// One nn.Module of the artifact: from a whole pickled module, TorchScript, or `.pt2`.
struct Module {
  std::string path;        ///< "" for the root, "layers.0.fc"; for an unregistered module the
                           ///< attribute path that leads to it: "layers[0]", "heads['a']"
  std::string class_name;  ///< "torch.nn.modules.linear.Linear", without TorchScript's mangling
  std::optional<ModuleId> parent;
  Registration registration = Registration::kRegistered;
  /// For an unregistered module: the attribute that holds it and its type ("layers", "list").
  std::string held_by_attribute;
  std::string held_by_container;
  bool initialised = true;          ///< has the fields that nn.Module.__init__ makes
  std::optional<bool> training;     ///< none: the artifact does not say
  std::vector<ModuleTensor> parameters;
  std::vector<ModuleTensor> buffers;
  std::vector<ModuleTensor> tensor_attributes;  ///< plain tensor attributes: neither of the two
  std::vector<std::pair<std::string, ModuleId>> children;
  ObjectId object = kNoObject;
};

}  // namespace torchvet
