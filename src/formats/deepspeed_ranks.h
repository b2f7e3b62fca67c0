#pragma once

#include <utility>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Files that a checkpoint of DeepSpeed should have: one for each rank that its files count
/// (`partition_count` of an optimizer, `dp_world_size` of a model), and a model beside an
/// optimizer. Each that is missing becomes a fault (kShardMissing). The names are those of the
/// artifact's members; `parts` are what the files hold, by their names.
void check_deepspeed_ranks(const std::vector<std::pair<ObjectId, ObjectId>>& parts,
                           Artifact& artifact);

}  // namespace torchvet
