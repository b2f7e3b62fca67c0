#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// A key and its value somewhere near the top of what a file holds.
struct KeyedObject {
  std::string_view key;
  ObjectId value = kNoObject;
  std::size_t depth = 0;  ///< 0 in the outermost dict
};

/// Keys and values of the dict that the main pickle builds (of a folder: each of its pickles), of
/// the dicts, lists and attributes of instances in it down to `depth`, state_dicts of models and
/// optimizers left out. In file order, and not more than a fixed number, for a file may hold
/// anything.
[[nodiscard]] std::vector<KeyedObject> keyed_objects(const Artifact& artifact, std::size_t depth);

/// The random number states that a file holds, by their form and by their names.
struct RandomStates {
  bool torch = false, cuda = false, python = false, numpy = false;
  [[nodiscard]] bool any() const { return torch || cuda || python || numpy; }
};
[[nodiscard]] RandomStates random_states(const Artifact& artifact);

/// Whether the words of a key ("model_EMA.rng" is model, ema, rng) include one of these.
[[nodiscard]] bool has_word(std::string_view key, std::initializer_list<std::string_view> words);

}  // namespace torchvet
