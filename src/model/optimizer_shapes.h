#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Whether torch's own optimizers give this slot the shape of its parameter: `exp_avg`,
/// `momentum_buffer`, ...
[[nodiscard]] bool has_parameter_shape(std::string_view slot);

/// State in a shape that its parameter cannot have.
struct ShapeMismatch {
  enum class Kind : std::uint8_t {
    kSlots,    ///< two slots of one entry differ
    kPlace,    ///< the parameter that stands at its place has another shape
    kNowhere,  ///< no tensor in the file has this shape, while most others are found
  };
  Kind kind = Kind::kSlots;
  const OptimizerEntry* entry = nullptr;
  std::string slot;
  std::vector<std::int64_t> shape;        ///< of that slot
  std::string other_slot;                 ///< for kSlots
  std::vector<std::int64_t> other_shape;  ///< of the other slot, or of the parameter
  std::optional<StateEntry> parameter;    ///< for kPlace
};

/// At most one for each entry, in the order of the state. Only entries that hold nothing but what
/// torch's own optimizers hold are judged: others factor, project or quantize their state as they
/// like. Neither is state that is a reduction of the parameter, such as one number for each row.
/// The place of a parameter is known by the names that the optimizer keeps, or when one group lists
/// as many as the model has and two of three are as they should be.
[[nodiscard]] std::vector<ShapeMismatch> shape_mismatches(const Artifact& artifact,
                                                          const OptimizerState& optimizer);

}  // namespace torchvet
