#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/report.h"

namespace torchvet {

/// Findings that say the same about repeated layers, as one.
struct MergedFinding {
  const ReportedFinding* first = nullptr;
  std::uint64_t count = 1;
  std::vector<const ReportedFinding*> all;  ///< `first` among them
  std::string object_path;  ///< "layers.{0..31}.weight"; that of `first` when it stands alone
  std::string message;      ///< with the merged path in it
};

/// One that stands alone.
[[nodiscard]] MergedFinding unmerged(const ReportedFinding& finding);

/// Merges findings of one artifact that agree in rule, severity, confidence, source line and
/// message, and whose object paths differ in exactly one number. Each stands where its first one
/// stood, so the order of the report is kept.
[[nodiscard]] std::vector<MergedFinding> merge_repeated(
    std::span<const ReportedFinding* const> findings);

}  // namespace torchvet
