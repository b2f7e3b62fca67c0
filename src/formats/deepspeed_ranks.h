#pragma once

#include <utility>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// What files hold, by their names.
using FileContents = std::vector<std::pair<ObjectId, ObjectId>>;

/// Files that a checkpoint of DeepSpeed should have: one for each rank that its files count
/// (`dp_world_size` of a model, `partition_count` of an optimizer), and a model beside an optimizer.
/// Each that is missing becomes a fault (kShardMissing). The names are those of the artifact's
/// members.
void check_deepspeed_ranks(const FileContents& models, const FileContents& optimizers,
                           Artifact& artifact);

}  // namespace torchvet
