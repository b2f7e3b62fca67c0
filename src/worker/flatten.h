#pragma once

#include <torch/csrc/jit/api/function_impl.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "graph/graph_codec.h"

namespace torchvet {

/// What the flattening needs to know of the program around a method.
struct ProgramTables {
  /// Index of each code file, by the Source that the parser was given.
  std::unordered_map<const torch::jit::Source*, std::uint32_t> files;
  /// Index of each tensor of the constant table. An object of the table holds its own index.
  std::unordered_map<const void*, std::uint32_t> constants;
  /// Classes of the modules that may stand behind an interface, by path.
  std::unordered_map<std::string, c10::ClassTypePtr> modules;
};

/// One method as a flat graph: see the essay in flatten.cpp. `nodes_left` is what may still be made
/// and is counted down.
/// Throws std::runtime_error when it is used up, and whatever LibTorch throws.
[[nodiscard]] LoweredGraph flatten_method(torch::jit::GraphFunction& method,
                                          const ProgramTables& tables, std::uint64_t& nodes_left);

}  // namespace torchvet
