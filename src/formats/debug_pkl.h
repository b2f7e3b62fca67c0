#pragma once

#include "core/bytes.h"
#include "core/limits.h"
#include "model/script.h"

namespace torchvet {

/// Reads the contents of a `.debug_pkl` member: where each piece of a `code/` file came from.
/// Errors: those of the pickle machine; kDebugInfoInvalid; kLimitExceeded when the source texts
/// take more than `limits.code_bytes`.
[[nodiscard]] Result<SourceMap> read_source_map(ByteView bytes, const Limits& limits);

}  // namespace torchvet
