#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/artifact.h"
#include "model/optimizer_alignment.h"

namespace torchvet {

/// The slot that sums or averages squared gradients: `exp_avg_sq`, `square_avg`, Adagrad's `sum`.
/// It is zero exactly when every gradient was.
[[nodiscard]] std::optional<TensorId> second_moment_of(const OptimizerEntry& entry);

/// The slot that a gradient other than 0 leaves a trace in: the second moment, or the
/// `momentum_buffer` of SGD.
[[nodiscard]] std::optional<TensorId> gradient_trace_of(const OptimizerEntry& entry);

/// How many steps it took: the plain number, or what the stored tensor holds when it was read
/// (`kMoments` of `step_tensor`).
[[nodiscard]] std::optional<double> step_of(const Artifact& artifact, const OptimizerEntry& entry);

struct UnreachedParameter {
  StateEntry entry;
  bool zero_moments = false;  ///< it has state, but its second moments are all zero
};

/// A parameter whose slot of `gradient_trace_of` holds something other than 0.
struct ReachedParameter {
  TensorId tensor = 0;
  bool counts_steps = false;  ///< SGD does not
};

/// Parameters that no gradient reached, together when they are all that the optimizer lists of one
/// module. A lone parameter is a group of one.
struct UnreachedGroup {
  std::string module;  ///< the innermost one around all of them: "layers.2.attn"
  std::vector<UnreachedParameter> parameters;  ///< in the order of the optimizer
};

struct GradientEvidence {
  const OptimizerState* optimizer = nullptr;
  const StateDict* model = nullptr;    ///< null: the file holds none
  std::uint64_t listed = 0;            ///< parameters in the optimizer's groups
  std::uint64_t unreached = 0;         ///< of them without any gradient so far
  std::uint64_t unnamed = 0;           ///< of the unreached: the name cannot be told
  std::vector<UnreachedGroup> groups;  ///< the named ones
  std::vector<ReachedParameter> reached;  ///< where values were computed
};

/// Which listed parameters never got a gradient: those without state while others have some, and,
/// where values were computed, those whose second moments are all zero (Adagrad makes its state at
/// once and then counts no steps for them). Nothing is unreached when the optimizer keeps no state
/// (SGD without momentum, before training).
[[nodiscard]] GradientEvidence gradient_evidence(const Artifact& artifact,
                                                 const OptimizerState& optimizer);

}  // namespace torchvet
