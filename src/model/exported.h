#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace torchvet {

/// A model that lies in the archive as native code, made by AOTInductor, instead of a graph.
struct CompiledModel {
  std::string name;                ///< "model"; empty for parts that belong to no model
  std::vector<std::string> parts;  ///< members without the archive's prefix
  /// What the compiler noted, such as AOTI_DEVICE_KEY: "cpu"; each key once.
  std::vector<std::pair<std::string, std::string>> notes;
};

/// What is known of a torch.export archive besides its graphs.
struct ExportedInfo {
  std::int64_t schema_major = 0;  ///< of the program's JSON; 0: it does not say
  std::int64_t schema_minor = 0;
  std::string torch_version;  ///< that wrote it: "2.13.0+cpu"
  std::vector<std::string> models;
  /// A plain zip with files of torch.save in it, as torch wrote before 2.8.
  bool older_layout = false;
  /// The graph went through `run_decompositions`: `detach`, `no_grad` and the norm layers made in
  /// forward() cannot be told in it any more.
  bool decomposed = false;
  bool dynamic = false;  ///< some input has a size that is not fixed
  std::vector<CompiledModel> compiled;
};

}  // namespace torchvet
