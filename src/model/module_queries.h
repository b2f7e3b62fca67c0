#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/module.h"

namespace torchvet {

struct Artifact;

/// The module at the top of the tree that a module hangs in, whichever way it hangs there.
[[nodiscard]] ModuleId top_of(const Artifact& artifact, ModuleId module);

/// Parameters and buffers that the module system knows in the tree of one top module.
[[nodiscard]] std::uint64_t registered_tensor_count(const Artifact& artifact, ModuleId top);

/// What a module holds, with everything registered below it.
struct ModuleContents {
  std::uint64_t parameters = 0;      ///< tensors
  std::uint64_t elements = 0;        ///< numbers in them
  std::uint64_t buffers = 0;         ///< tensors
  std::vector<std::string> classes;  ///< of all modules, without their Python module, in file order
};
[[nodiscard]] ModuleContents contents_of(const Artifact& artifact, ModuleId module);

/// True for the classes of torch.nn whose result depends on `training`: dropout (unless the file
/// says that p is 0), RReLU, and batch norm with running statistics. A class of the author may
/// depend on it as well: only a graph shows that.
[[nodiscard]] bool depends_on_mode(const Artifact& artifact, const Module& module);

/// Paths of the modules in eval mode inside a model in training mode: somebody put them there.
[[nodiscard]] std::unordered_set<std::string> kept_in_eval(const Artifact& artifact);

/// Modules that one plain attribute of a module holds, past the module system.
struct HeldModules {
  ModuleId holder = 0;
  std::string attribute;  ///< "layers"
  std::string container;  ///< "list"; empty when the attribute is the module itself
  std::vector<ModuleId> modules;
};
/// In file order.
[[nodiscard]] std::vector<HeldModules> unregistered_modules(const Artifact& artifact);

}  // namespace torchvet
