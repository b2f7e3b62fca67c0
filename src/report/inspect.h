#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// A view of the model that can be printed; the names of `--what`.
enum class Part : std::uint8_t {
  kSummary,
  kMembers,
  kTensors,
  kModules,
  kGraph,
  kOptimizer,
  kPickle,
  kLoaders,
};
[[nodiscard]] std::string_view name_of(Part part);
[[nodiscard]] std::optional<Part> part_from_name(std::string_view name);

/// Entries of what a file says about itself that are printed: a header may hold a million.
inline constexpr std::size_t kMaxMetadata = 20;

/// "other", "parameter", "buffer", "constant", "attribute", "optimizer", "example-input".
[[nodiscard]] std::string_view name_of(TensorRole role);

/// What a file is, in a few numbers.
struct Summary {
  struct Tensors {
    std::uint64_t count = 0;     ///< tensors
    std::uint64_t elements = 0;  ///< numbers in them; stops at the largest 64-bit number
    std::map<std::string, std::uint64_t> dtypes;   ///< tensors of each element type
    std::map<std::string, std::uint64_t> devices;  ///< tensors on each device
  };
  Tensors parameters, buffers, others;
  std::uint64_t storage_bytes = 0;           ///< that the storages declare
  std::uint64_t training = 0, evaluating = 0;  ///< modules in each mode
  std::map<std::string, std::uint64_t> classes;  ///< modules of each class
};
[[nodiscard]] Summary summarise(const Artifact& artifact);

/// The parts for people, each under its heading when there are several; what was not analysed comes
/// last. Texts from the artifact are escaped.
[[nodiscard]] std::string inspect_text(const Artifact& artifact, const std::vector<Part>& parts);

/// One object with a key for each part, `gaps`, and the file's path.
[[nodiscard]] nlohmann::ordered_json inspect_json(const Artifact& artifact,
                                                  const std::vector<Part>& parts);

}  // namespace torchvet
