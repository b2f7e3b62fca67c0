#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/object.h"
#include "model/storage.h"

namespace torchvet {

/// What an optimizer's state_dict calls a parameter: a number (position, or an old `id()`), or a
/// name (DCP). Numbers are kept as decimal text, so both compare alike.
using ParameterKey = std::string;

struct ParamGroup {
  std::vector<ParameterKey> params;      ///< in the order the file lists them
  std::vector<std::string> param_names;  ///< when the file has them; parallel to `params`
  std::uint64_t unreadable = 0;  ///< listed, but neither a number nor a name nor a parameter
  std::vector<std::pair<std::string, double>> numbers;  ///< lr, eps, weight_decay, ...
};

/// State of one parameter.
struct OptimizerEntry {
  ParameterKey key;
  std::optional<double> step;  ///< known when it is a plain number or a stored 0-d tensor
  std::optional<TensorId> step_tensor;
  std::vector<std::pair<std::string, TensorId>> slots;  ///< exp_avg, momentum_buffer, ...
  std::vector<std::string> others;  ///< what else it holds besides `step`: no tensors
};

/// One optimizer state_dict: `{"state": {...}, "param_groups": [...]}`.
struct OptimizerState {
  std::string path;  ///< where it hangs: "optimizer"
  std::vector<ParamGroup> groups;
  std::vector<OptimizerEntry> state;
  ObjectId object = kNoObject;
};

}  // namespace torchvet
