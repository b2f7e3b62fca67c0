#pragma once

#include <string>

#include "core/limits.h"
#include "model/expectation.h"

namespace torchvet {

/// Reads the contract of `--expect`: what `torchvet inspect --what tensors --format json` prints,
/// or a shorter form for people, whose schema is rules/expect.schema.json:
///
///     {"version": 1, "parameters": 68, "tensors": {"fc.weight": [4, null],
///                                                  "fc.bias": {"shape": [4], "dtype": "float32"}}}
///
/// Caps: `json-bytes`, `tensors`, `tensor-dimensions`.
/// Errors: kConfigInvalid, naming the file and the place in it, for what is none of the two, for a
/// key that stands twice, and for a print of a file that could not be read as a whole.
[[nodiscard]] Result<Expectation> read_expectation(const std::string& path, const Limits& limits);

}  // namespace torchvet
