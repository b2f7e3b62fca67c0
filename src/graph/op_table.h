#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/graph.h"

namespace torchvet {

/// What the analysis knows about operators; all of it data. Names are those of the ATen registry;
/// one without a namespace is `aten::`. How results follow from arguments is in op_classes.cpp, slots
/// and switches are in op_slots.cpp.

/// How the result of an operator follows from its arguments, as far as origins are concerned.
enum class OpClass : std::uint8_t {
  kCompute,        ///< the default: every argument by value
  kView,           ///< argument 0 itself, all of it, under another shape
  kPartialView,    ///< a part of argument 0 (a list of parts counts as a part)
  kLookThrough,    ///< a copy of argument 0
  kShapeOnly,      ///< depends on shapes and types, never on values
  kRandom,         ///< a fresh random tensor
  kRandomWrite,    ///< overwrites argument 0 with random values
  kRandomResult,   ///< the same, the result being a new tensor (after decomposition)
  kRandomOf,       ///< random, from a distribution that the arguments describe
  kUninitialised,  ///< `empty`
  kDeterministic,  ///< zeros, arange, eye, windows
  kFill,           ///< overwrites argument 0 with one number
  kWrite,          ///< changes argument 0 in place, by the other arguments
  kPack,           ///< a list or tuple of the arguments
  kUnpack,         ///< all elements of argument 0
  kElement,        ///< one element of argument 0
  kUnknown,        ///< an operator from elsewhere
};

[[nodiscard]] OpClass class_of(const Node& node);

/// An operator that runs one of its two blocks: `prim::If`, and `cond` of torch.export.
[[nodiscard]] bool is_conditional(std::string_view op);

/// Where a loop keeps what it carries from one turn to the next.
struct LoopShape {
  std::size_t inputs = 0;      ///< inputs of the node before the carried ones
  std::size_t parameters = 0;  ///< parameters of its blocks before them
  std::size_t results = 0;     ///< results of the body before them
  std::size_t body = 0;        ///< which of its blocks the body is
};
/// Null when the node is no loop.
[[nodiscard]] const LoopShape* loop_shape_of(const Node& node);

/// A slot where a registered parameter or buffer belongs.
struct SlotRow {
  enum class Kind : std::uint8_t {
    kCertain,     ///< can only be a weight
    kStatistic,   ///< running mean or variance
    kWeightSide,  ///< a weight when argument `data` is an activation
    kBiasSide,    ///< the bias that goes with a kWeightSide slot
    kEitherSide,  ///< a weight when the other such argument is an activation
  };
  std::string_view argument;
  std::uint8_t position = 0;
  Kind kind = Kind::kCertain;
  std::uint8_t data = 0;  ///< position of that argument
};

/// The slots of an operator, in the order of its arguments; empty when it has none.
[[nodiscard]] std::span<const SlotRow> slots_of(std::string_view op);

/// A switch that makes an operator behave as in training.
struct SwitchRow {
  enum class Kind : std::uint8_t {
    kDropout,      ///< on when `argument` is true and `probability` is above 0
    kStatistics,   ///< on when `argument` is true and there is a running mean
    kFlag,         ///< on when `argument` is true
    kProbability,  ///< on when `argument` is a number above 0
    kAlways,       ///< on unless there is a `probability`, and it is 0; there is no flag
  };
  Kind kind = Kind::kFlag;
  std::string_view argument;
  std::uint8_t position = 0;
  std::string_view probability;
  std::uint8_t probability_position = 0;
};

/// Null when the operator has no switch.
[[nodiscard]] const SwitchRow* switch_of(std::string_view op);

/// The argument of that name; when the node has no names (an operator without a schema), the one at
/// that position. Null when there is none.
[[nodiscard]] const NodeInput* input_of(const Node& node, std::string_view name,
                                        std::size_t position);

}  // namespace torchvet
