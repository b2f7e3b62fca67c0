#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchvet {

/// What is known of a torch.export archive besides its graphs.
struct ExportedInfo {
  std::int64_t schema_major = 0;  ///< of the program's JSON; 0: it does not say
  std::int64_t schema_minor = 0;
  std::string torch_version;      ///< that wrote it: "2.13.0+cpu"
  std::vector<std::string> models;
  /// The graph went through `run_decompositions`: `detach`, `no_grad` and the norm layers made in
  /// forward() cannot be told in it any more.
  bool decomposed = false;
  bool dynamic = false;  ///< some input has a size that is not fixed
  /// Parts that hold native code instead of a graph (AOTInductor).
  std::vector<std::string> native_parts;
};

}  // namespace torchvet
