#pragma once

#include <cstdint>
#include <string>

#include "model/artifact.h"

namespace torchvet {

struct Examined {
  Format format = Format::kUnknown;
  std::uint64_t faults = 0;
  std::uint64_t gaps = 0;
  std::uint64_t findings = 0;
};

/// Does with the bytes what `torchvet check` does with a file, as far as no other program is
/// needed: reads them, checks that the model refers only to what exists, runs every rule and writes
/// the reports into nothing. Ends the process with a message when the model breaks a promise.
Examined examine(const std::string& name, std::string bytes);

/// What is wrong with the model; empty when every index and every view in it is in range.
[[nodiscard]] std::string broken_promise(const Artifact& artifact, ByteView file);

}  // namespace torchvet
