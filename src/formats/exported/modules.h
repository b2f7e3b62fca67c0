#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "json/document.h"
#include "model/artifact.h"

namespace torchvet {

/// The module tree of one exported program. The file holds no modules, only the paths of tensors,
/// a table of calls, and on each node the stack of modules that it was made in.
class ExportedModules {
 public:
  /// `root` is the path of the model's own module: "" unless the archive has several models.
  ExportedModules(std::string root, Artifact& artifact)
      : root_(std::move(root)), artifact_(artifact) {}

  /// Paths of modules, from the table of calls, and their classes, from the nodes' stacks.
  void collect(Json graph_module);

  /// Makes the tree and the state of the model, whose tensors are those from `first` on.
  void make(TensorId first);

 private:
  ModuleId module_at(const std::string& path);
  [[nodiscard]] std::string path_of(std::string_view path) const;

  std::string root_;
  Artifact& artifact_;
  std::map<std::string, std::string> classes_;  ///< of modules, by path
  std::unordered_map<std::string, ModuleId> modules_;
};

}  // namespace torchvet
