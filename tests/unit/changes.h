#pragma once

#include "model/series_builder.h"

namespace torchvet {

/// What a comparison would give of checkpoints in which a digest stands for the numbers of a
/// tensor.
inline Changes changes_of(const Artifact& before, const Artifact& after,
                          const SeriesBuilder& builder) {
  Changes found;
  for (const TensorPair& pair : builder.pairs(after)) {
    const bool same =
        before.tensors[pair.before].values->digest == after.tensors[pair.after].values->digest;
    found[pair] = {.same = same};
  }
  return found;
}

}  // namespace torchvet
