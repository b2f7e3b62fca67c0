#pragma once

#include "formats/zip.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills `artifact.exported->compiled` with the parts of native code in a `.pt2` (AOTInductor, ExecuTorch,
/// MTIA) and what is noted beside them. Each model is a gap: machine code is not analysed.
void list_native_code(ByteView file, const ZipDirectory& zip, const Limits& limits, Artifact& artifact);

}  // namespace torchvet
