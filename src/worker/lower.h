#pragma once

#include "graph/graph_codec.h"

namespace torchvet {

/// Imports the code of one archive with LibTorch and returns the flat graphs of the root class's
/// methods, `forward` first. Never throws: what LibTorch refuses is a refusal in the reply.
[[nodiscard]] GraphReply lower_program(const GraphRequest& request);

/// To be called once, before the first program: one thread, no weights, no environment.
void prepare_libtorch();

}  // namespace torchvet
