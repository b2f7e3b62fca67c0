#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// The state_dicts that the file holds as such, which load_state_dict is for: not those of whole
/// modules and programs, and no average beside its model.
[[nodiscard]] std::vector<const StateDict*> saved_state_dicts(const Artifact& artifact);

/// One part of names that a wrapper of a model added.
struct WrapperUse {
  std::string part;        ///< "_orig_mod"
  std::string below;       ///< the module whose names have it, "" for the root or more than one
  std::string_view maker;  ///< "torch.compile"
  std::uint64_t names = 0;
  std::string example;  ///< the first name with it, as it stands in the file
  /// The part is private to the wrapper. Otherwise an attribute of the author may be called so.
  bool certain = false;
};

/// A step of a rename: takes `from` off the begin of a name, or replaces it wherever it stands.
struct RenameStep {
  bool at_begin = false;
  std::string from;
  std::string to;
};

/// What wrappers added to the names of one state_dict.
struct WrappedNames {
  std::vector<WrapperUse> uses;
  /// Turns each name of the file into the name in the model without wrappers; no two become one.
  /// Empty when no such short rename exists.
  std::vector<RenameStep> steps;
  /// FSDP's flattened parameters are among the names: no rename gives the model's own.
  bool flattened = false;
};

/// Names from DataParallel, DistributedDataParallel, torch.compile, FSDP, activation checkpointing
/// and DeepSpeed below Lightning. `module` counts only where the names give no sign that it is an
/// attribute of the author: at the root when every name begins with it and `_metadata` knows no
/// sibling, and below one part of the model as its only child; never in a checkpoint of Lightning,
/// which unwraps the model before it saves, nor in an AveragedModel, which needs it.
[[nodiscard]] WrappedNames wrapped_names(const Artifact& artifact, const StateDict& state);

[[nodiscard]] std::string renamed(std::string_view name, const std::vector<RenameStep>& steps);

/// The rename as one line of Python that changes or replaces the dict called `variable`.
[[nodiscard]] std::string python_rename(const std::vector<RenameStep>& steps,
                                        std::string_view variable);

enum class Certainty : std::uint8_t { kPossible, kLikely, kProven };

/// Names of one module, some with a wrapper's part and some without, as no model has them.
struct MixedNames {
  std::string part;    ///< "module"
  std::string parent;  ///< the module below which it is mixed; "" for the root
  std::uint64_t with = 0, without = 0;
  std::string with_example, without_example;
  std::string proof;  ///< why no model has both
  Certainty certainty = Certainty::kProven;
};
[[nodiscard]] std::vector<MixedNames> mixed_names(const Artifact& artifact, const StateDict& state);

/// A key of a tensor that is at once the module of another key.
struct KeyUnderTensor {
  std::string tensor, below;
};
/// Only such whose lower name torch.nn gives to parameters or buffers: quantizers keep parts of a
/// weight below its name ("weight.absmax").
[[nodiscard]] std::vector<KeyUnderTensor> keys_under_tensors(const StateDict& state);

}  // namespace torchvet
