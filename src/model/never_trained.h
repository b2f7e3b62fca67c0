#pragma once

#include <cstdint>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// What the numbers of a parameter say about whether it was trained.
enum class TrainingMark : std::uint8_t {
  kUnknown,  ///< nothing: too few numbers, values not read, rounded to 16 bits, a constant
  kMoved,    ///< more than enough numbers, and no generator of torch's draws them
  kDrawn,    ///< bit for bit what torch's generator drew
  kDefault,  ///< of a norm layer: weight all 1 and bias all 0, exactly
};

/// What an optimizer in the same file says of a parameter's gradients.
enum class GradientWitness : std::uint8_t {
  kSilent,
  kNone,              ///< it lists the parameter, and no gradient ever reached it
  kReached,           ///< it counts steps, and what it keeps of the gradients is not 0
  kReachedUncounted,  ///< the same of an optimizer that counts no steps: it may have taken but a few
};

struct MarkedParameter {
  StateEntry entry;
  TrainingMark mark = TrainingMark::kUnknown;
  bool frozen = false;  ///< takes no gradient, while others of the model do
  GradientWitness gradient = GradientWitness::kSilent;
};

/// The parameters of one model that were marked.
struct TrainingMarks {
  std::vector<MarkedParameter> parameters;  ///< in file order, without the unknown ones
  std::uint64_t drawn_matrices = 0;
  std::uint64_t drawn_elements = 0;  ///< in those
  std::uint64_t moved_matrices = 0;
  std::uint64_t moved_norms = 0;  ///< norm layers of which weight and bias moved
  /// Something that only training leaves behind: an optimizer that took ten steps, or norm layers
  /// that moved. Matrices that moved are no such thing: orthogonal_ and draws on
  /// a GPU look the same.
  bool trained = false;
};

/// What `training_marks` needs to know of the numbers, for all models of a file that are judged.
void want_training_marks(const Artifact& artifact, ValuePlan& plan);

[[nodiscard]] TrainingMarks training_marks(const Artifact& artifact, const StateDict& state);

}  // namespace torchvet
