#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/dcp/metadata.h"

namespace torchvet {

/// What is wrong with the boxes that should tile a tensor of this size, in words: a chunk that
/// reaches outside, a place that no chunk covers, one that several cover. Nothing when they tile
/// it.
[[nodiscard]] std::optional<std::string> coverage_problem(const std::vector<std::int64_t>& size,
                                                          const DcpChunks& chunks);

}  // namespace torchvet
