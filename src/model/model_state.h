#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/module.h"
#include "model/object.h"
#include "model/storage.h"

namespace torchvet {

struct Artifact;

struct StateEntry {
  std::string name;  ///< key in the state_dict: "layers.0.weight"
  TensorId tensor = 0;
};

/// A mapping from names to tensors: the state of one model.
struct StateDict {
  std::string path;  ///< where it hangs: "" for the whole file, "model", "state_dict"
  std::vector<StateEntry> entries;  ///< in file order, which is the order of registration
  /// Every submodule's path, also of those without parameters, when `_metadata` survived.
  std::optional<std::vector<std::string>> modules;
  bool is_average = false;  ///< an EMA or SWA copy, by its path
  ObjectId object = kNoObject;

  /// The tensor under a name; nothing when there is none.
  [[nodiscard]] std::optional<TensorId> find(std::string_view name) const;
};

/// "layers.0" of "layers.0.weight"; "" when there is no dot.
[[nodiscard]] std::string_view module_of(std::string_view tensor_name);
/// "weight" of "layers.0.weight".
[[nodiscard]] std::string_view leaf_of(std::string_view tensor_name);

/// True when a path has a word that says that what lies there is an average of a model: `ema`, `swa`,
/// `avg`, ...
[[nodiscard]] bool names_average(std::string_view path);

/// Names that torch.nn gives to buffers: running_mean, running_var, num_batches_tracked, ...
[[nodiscard]] bool is_buffer_like(std::string_view tensor_name);

/// The state_dict that a module and the registered ones below it would have, in the order of
/// registration. A module registered under two names is listed under the first.
[[nodiscard]] StateDict state_of_module(const Artifact& artifact, ModuleId root);

/// Reads the meaning out of an object tree: fills `state_dicts`, `optimizers` and `kind`, and the
/// roles of the tensors in them. Called by the pickle-based readers when tensors and modules are in
/// place. A mapping is a state_dict when its keys are text and its values are tensors (plain
/// numbers beside them are tolerated); an optimizer when it has `state` and `param_groups`.
void describe_objects(Artifact& artifact, ObjectId root);

/// The same for a format that knows names and tensors only: the tensors are one state_dict.
void describe_named_tensors(Artifact& artifact);

}  // namespace torchvet
