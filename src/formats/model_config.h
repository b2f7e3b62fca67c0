#pragma once

#include "core/limits.h"
#include "io/source.h"
#include "model/artifact.h"

namespace torchvet {

/// Of a file of weights under one of the names that Hugging Face libraries use: what the
/// `config.json` beside it (of an adapter, `adapter_config.json`) says about the model goes to the
/// artifact's metadata, and that the library reads another file of the folder instead. Nothing is
/// judged by it, and one that cannot be read is passed over: it is no part of the artifact.
void add_model_config(Source& source, const Limits& limits, Artifact& artifact);

}  // namespace torchvet
