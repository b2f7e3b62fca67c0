#pragma once

#include <string>
#include <vector>

#include "model/series.h"

namespace torchvet {

/// Why a parameter of a series did not move, as far as its newest checkpoint tells.
enum class StaticCause : std::uint8_t {
  kUnknown,           ///< no optimizer in the file, or its parameters cannot be told by name
  kFrozen,            ///< `requires_grad` is False in the file
  kNotInOptimizer,    ///< the optimizer does not list it
  kNoGradient,        ///< listed, but without state: no gradient ever reached it
  kZeroGradient,      ///< its second moments are all zero: every gradient was
  kZeroLearningRate,  ///< the learning rate of its group is 0
  kRounding,          ///< a 16-bit or narrower type: updates may be lost in rounding
};

/// For people: "the optimizer does not list it".
[[nodiscard]] std::string_view text_of(StaticCause cause);

/// Causes of the tracks, in their order.
[[nodiscard]] std::vector<StaticCause> static_causes(const Series& series,
                                                     const std::vector<Track>& tracks);

/// True when every optimizer of a checkpoint has only groups with a learning rate of 0, and there is
/// at least one.
[[nodiscard]] bool learning_rate_is_zero(const Artifact& artifact);

}  // namespace torchvet
