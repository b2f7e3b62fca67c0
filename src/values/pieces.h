#pragma once

#include <string>

#include "core/error.h"
#include "core/limits.h"
#include "model/storage.h"

namespace torchvet {

/// The row-major bytes of a storage that lies in pieces, put together in `buffer`. Its size is what
/// the file declares, which must not be more than the pieces hold.
/// Errors: kStorageBadReference when the pieces do not fill it, kOverflow.
[[nodiscard]] Result<ByteView> join_pieces(const Storage& storage, std::string& buffer);

}  // namespace torchvet
