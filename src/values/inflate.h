#pragma once

#include <string>

#include "core/bytes.h"
#include "core/limits.h"
#include "model/member.h"

namespace torchvet {

/// Inflates the deflated bytes of an archive member into `buffer`. The size comes from the
/// directory and is checked against `limits` before anything is allocated.
/// Errors: kLimitExceeded (size or ratio), kZipBadDeflate (does not inflate to exactly that size).
[[nodiscard]] Result<ByteView> inflate_member(ByteView compressed, const Member& member,
                                              const Limits& limits, std::string& buffer);

}  // namespace torchvet
