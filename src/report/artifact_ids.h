#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/report.h"

namespace torchvet {

/// Where the artifacts lie for a CI system: their logical paths, relative to the repository,
/// whatever folder the program was started in. A finding names its artifact by the path that was
/// shown; it is one of the report's.
class ArtifactIds {
 public:
  explicit ArtifactIds(const Report& report) {
    for (const ReportedArtifact& artifact : report.artifacts) {
      places_.emplace(artifact.path, ids_.size());
      ids_.push_back(artifact.id);
    }
  }

  /// Position in `Report::artifacts`.
  [[nodiscard]] std::size_t index_of(const Finding& finding) const {
    return places_.at(finding.where.artifact);
  }
  [[nodiscard]] std::string_view at(std::size_t index) const { return ids_[index]; }
  [[nodiscard]] std::string_view of(const Finding& finding) const { return at(index_of(finding)); }

 private:
  std::unordered_map<std::string_view, std::size_t> places_;
  std::vector<std::string_view> ids_;
};

}  // namespace torchvet
