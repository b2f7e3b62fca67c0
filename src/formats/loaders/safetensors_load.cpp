#include "formats/loaders/safetensors_load.h"

#include <string_view>

namespace torchvet {

LoadOutcome load_safetensors(const Source& source, const Artifact& artifact) {
  constexpr std::uint64_t kMaxHeader = 100'000'000;
  const auto fails = [](std::string_view why) {
    return LoadOutcome::fails(
        "SafetensorError", std::string("Error while deserializing header: ").append(why),
        LoadProblem::kContainer);
  };
  const bool read = artifact.format == Format::kSafetensors;
  if (read && artifact.faults.empty() && artifact.gaps.empty()) return LoadOutcome::opened();
  const ByteView file = source.bytes();
  Cursor cursor(file, 0);
  const Result<std::uint64_t> length = cursor.read<std::uint64_t>();
  if (!length) return fails("header too small");
  if (*length > kMaxHeader) return fails("header too large");
  if (*length > cursor.remaining()) return fails("invalid header length");
  if (*length == 0) return fails("invalid JSON in header: EOF while parsing a value");
  return LoadOutcome::undecided("its header may be refused");
}

}  // namespace torchvet
