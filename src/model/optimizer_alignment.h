#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Which tensor of the model an optimizer's parameter is.
///
/// An optimizer's state_dict has no names, only keys in the order in which the user passed the
/// parameters, and shapes for those that have state. Two ways to tell, in this order (measured: no
/// wrong name on the published checkpoints and synthetic cases we have; "undecided" instead):
///  1. one group and as many keys as tensors in the state_dict, every known shape equal at the same
///     position: tried with all float tensors, then without batch norm statistics, then without
///     empty tensors and other buffer-like names;
///  2. per group, an order-preserving match by shape, once as early and once as late as possible:
///     a name is accepted only where both agree.
/// Names stored by the optimizer itself (`param_names`) settle it before either.
struct AlignedParameter {
  ParameterKey key;
  const OptimizerEntry* entry = nullptr;  ///< null: the optimizer has no state for it
  /// As its state tells it; none without state.
  std::optional<std::vector<std::int64_t>> shape;
  std::optional<StateEntry> parameter;  ///< none: undecided
};

struct OptimizerAlignment {
  const StateDict* model = nullptr;          ///< the state_dict it was aligned with
  std::vector<AlignedParameter> parameters;  ///< in the order of the groups
};

/// Tensors of a model that may be parameters, by how much is left out.
enum class CandidateFilter : std::uint8_t {
  kFloats,        ///< only what is no real or complex number
  kNoStatistics,  ///< batch norm statistics as well
  kNoBuffers      ///< empty tensors and what is or is named like a buffer as well
};
inline constexpr CandidateFilter kCandidateFilters[] = {
    CandidateFilter::kFloats, CandidateFilter::kNoStatistics, CandidateFilter::kNoBuffers};

/// In the order of the state_dict. With `tied_once`, what is the same memory is listed once, at its
/// first name.
[[nodiscard]] std::vector<StateEntry> parameter_candidates(const Artifact& artifact,
                                                           const StateDict& model,
                                                           CandidateFilter filter, bool tied_once);

[[nodiscard]] OptimizerAlignment align_optimizer(const Artifact& artifact,
                                                 const OptimizerState& optimizer);

}  // namespace torchvet
