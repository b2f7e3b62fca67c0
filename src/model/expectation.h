#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.h"
#include "model/artifact.h"
#include "model/load_fit.h"

namespace torchvet {

/// The model of a file as `load_state_dict` would be given it. Of several models in one file (a
/// generator beside its critic), one of them, or all together under names that begin with the path
/// of each.
struct ModelView {
  std::string path;                  ///< where it hangs; "" for the file, and for several together
  const StateDict* state = nullptr;  ///< null for several together, and for that of a module
  std::vector<StateEntry> entries;
  std::vector<std::string> others;  ///< keys of its dict whose values are no tensors
};

/// All models of a file that are no averages of others; of more than one, all together first.
[[nodiscard]] std::vector<ModelView> model_views(const Artifact& artifact);

/// Elements of the parameters among the entries. What is stored once counts once: tied weights are
/// two tensors of a state_dict that lie in one place. Nothing on overflow. `is_buffer` tells of an
/// entry what is known from elsewhere.
[[nodiscard]] std::optional<std::uint64_t> count_parameters(
    const Artifact& artifact, const std::vector<StateEntry>& entries,
    const std::vector<std::optional<bool>>& is_buffer = {});

/// What a tensor should be. What is not given may be anything.
struct ExpectedTensor {
  std::string name;
  std::string plain;  ///< the name without what wrappers (`module.`, `_orig_mod.`) add
  std::optional<DType> dtype;
  std::optional<ShapePattern> shape;
  std::optional<bool> is_buffer;

  // Of an expectation that was made from a file.
  bool is_tensor = true;  ///< false for other values in a state_dict
  std::optional<TensorId> tensor;
  Layout layout = Layout::kStrided;
  std::string form;  ///< of a sparse tensor: the name of the first of its parts
  std::string device;
  std::optional<Digest> digest;        ///< of its numbers, where they were read
  std::optional<std::size_t> tied_to;  ///< an earlier one that is stored in the same place
};

/// What a model should hold.
struct Expectation {
  /// Where it was written down: each name, shape and type must be as it says (`kContract`), or what
  /// matters is whether a state_dict can be loaded into the model of another file (`kLoadable`).
  enum class Terms : std::uint8_t { kContract, kLoadable };
  Terms terms = Terms::kContract;
  std::string source;  ///< path of the file
  std::vector<ExpectedTensor> tensors;
  std::optional<std::uint64_t> parameters;
};

/// What a file must hold so that its state can be loaded into this model of `artifact`.
[[nodiscard]] Expectation expectation_of(const Artifact& artifact, const ModelView& model);

/// Fills `plain`, from the names alone.
void find_plain_names(Expectation& expectation);

}  // namespace torchvet
