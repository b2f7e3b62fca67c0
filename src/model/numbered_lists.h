#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// A tensor below one number of a list: "attn.weight" of "layers.3.attn.weight".
struct ListedTensor {
  std::string_view name;
  TensorId tensor = 0;
};

/// The names of a state_dict that stand below one list of layers, by their numbers; each sorted.
struct NumberedList {
  std::string_view path;  ///< "encoder.layers"; "" where the model itself is a list
  std::map<std::uint64_t, std::vector<ListedTensor>> layers;
};
/// Sorted by path. A list in a layer of another list is a list for each number of that one. The
/// names are views into the state_dict.
[[nodiscard]] std::vector<NumberedList> numbered_lists(const StateDict& state);

}  // namespace torchvet
