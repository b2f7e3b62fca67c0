#pragma once

#include <cstdint>

#include "core/bytes.h"
#include "core/limits.h"
#include "model/object.h"
#include "model/pickle_program.h"

namespace torchvet {

/// Whether integers of equal value may be one object, whose place is that of the first: for pickles
/// of millions of numbers of which nobody asks where they stand.
enum class Integers : std::uint8_t { kEachItsOwn, kShared };

/// Interprets one pickle from the start of `bytes` without importing or calling anything. Objects
/// are added to `tree`; every import and every call is recorded with its byte range.
///
/// On an error the program read so far is kept in `program` (imports and calls before the place of
/// the error are evidence too), and the error is returned.
/// After success `program.where` ends behind STOP, so that the next pickle of a stream starts
/// there.
[[nodiscard]] Result<void> run_pickle(ByteView bytes, const Limits& limits, ObjectTree& tree,
                                      PickleProgram& program,
                                      Integers integers = Integers::kEachItsOwn);

/// Error (kPickleBadNumber) when a pickle that was run says a protocol which Python's own unpickler does
/// not know. torch's restricted one passes over the number.
[[nodiscard]] Result<void> check_protocol(const PickleProgram& program);

}  // namespace torchvet
