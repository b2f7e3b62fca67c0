#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/model_state.h"
#include "rule/finding.h"

namespace torchvet {

/// A tensor of a model, and what is remarkable about its numbers.
struct TensorRemark {
  StateEntry entry;
  std::string remark;  ///< "3 of 64 numbers are NaN"
};

/// One finding about some tensors of one model, of which there is at least one: at the tensor when
/// it is the only one, else at the model, with the first few as evidence. The message is
/// "`fc.weight` <one>" or "3 <many>".
[[nodiscard]] Finding finding_of_tensors(const Artifact& artifact, const StateDict& state,
                                         const std::vector<TensorRemark>& tensors,
                                         std::string_view one, std::string_view many);

}  // namespace torchvet
