#pragma once

#include "model/artifact.h"

namespace torchvet {

/// Adds a tensor whose storage lies in pieces, one a chunk. One piece is a plain storage, with the
/// strides that it has; of a tensor that is not `whole` no piece is kept.
TensorId add_tensor_of_pieces(Tensor tensor, Storage storage, bool whole, Artifact& artifact);

}  // namespace torchvet
