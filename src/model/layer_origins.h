#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// What the graph rules conclude from `GraphFacts` about whole layers: one node is one layer,
/// however many of its slots are concerned. The thresholds were measured on 181 transformers
/// models and 83 hand-made nets that are sound and on 51 with one deliberate bug each.

enum class Suspicion : std::uint8_t {
  kNote,      ///< most likely meant so
  kPossible,  ///< a real defect in some of the cases
  kLikely,    ///< a defect; one witness is weaker
  kCertain,
};

/// A layer whose weights are made anew on every call.
struct CreatedLayer {
  const Graph* graph = nullptr;
  const Node* node = nullptr;
  std::vector<const WeightSlot*> slots;  ///< those that are created
  Suspicion suspicion = Suspicion::kCertain;
};
/// In order of execution, one for each node; a layer that several methods share is listed once.
[[nodiscard]] std::vector<CreatedLayer> created_layers(const Artifact& artifact);

/// A layer whose weights are constants of the program.
struct ConstantLayer {
  const Graph* graph = nullptr;
  const Node* node = nullptr;
  std::vector<const WeightSlot*> slots;  ///< those that are constants
  bool weight_and_bias = false;          ///< or two weights of a recurrent layer
  bool called_by_module = false;         ///< a torch.nn module made the call
  const Tensor* untouched = nullptr;     ///< one that still holds what torch's generator drew
  bool fresh_norm = false;               ///< a norm layer's ones and zeros
  bool certain_slot = true;              ///< false: matmul and the like
};
/// In order of execution. `untouched` and `fresh_norm` need the values of `slot_constants`.
[[nodiscard]] std::vector<ConstantLayer> constant_layers(const Artifact& artifact);

/// The constants that stand in weight slots.
[[nodiscard]] std::vector<TensorId> slot_constants(const Artifact& artifact);

/// What a program registers.
struct ProgramState {
  std::uint64_t parameters = 0;
  std::uint64_t buffers = 0;
  bool others = false;  ///< packed weights or plain tensor attributes
  [[nodiscard]] bool empty() const { return parameters == 0 && buffers == 0 && !others; }
};
[[nodiscard]] ProgramState program_state(const Artifact& artifact);

/// True for a program that torch.jit.freeze made, by its having no `training` attribute anywhere: its
/// constants are the weights. Some parameters may be left, such as those of attention layers, which
/// have a path of their own.
[[nodiscard]] bool is_frozen(const Artifact& artifact);

/// The first node that takes the constant with this index in `Artifact::graph_constants`, or null.
[[nodiscard]] const Node* reader_of_constant(const Artifact& artifact, std::uint32_t constant);

/// Parameters that no method reads.
struct UnreadParameters {
  std::vector<std::string> modules;  ///< whole modules with a weight, none of whose tensors is read
  std::vector<std::string> tensors;  ///< the others
};
/// Joined by storage: a tensor that shares numbers with one that is read is read. Empty when some
/// method's graph is missing.
[[nodiscard]] UnreadParameters unread_parameters(const Artifact& artifact);

/// Devices of the registered parameters, or of the buffers when there are none; sorted.
[[nodiscard]] std::vector<std::string> model_devices(const Artifact& artifact);

/// "cuda" for "cuda:0".
[[nodiscard]] std::string_view device_type(std::string_view device);
/// True when both may be the same place: equal types, and equal indexes where both have one or
/// "cuda" stands for "cuda:0".
[[nodiscard]] bool same_device(std::string_view a, std::string_view b);

/// "the weight and bias", "the parameters" for a list of slots.
[[nodiscard]] std::string slots_text(const std::vector<const WeightSlot*>& slots);

}  // namespace torchvet
