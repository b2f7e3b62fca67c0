// The way is that of weights_only=True, with Python's own unpickler in place of the restricted one.
// What the restricted one takes, Python's takes too. Beyond that it depends on the modules of
// the environment and on what their code does, unless the pickle names nothing but what torch
// brings along.
#include "formats/loaders/torch_load_unrestricted.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/loaders/allowed_names.h"
#include "formats/loaders/script_load.h"
#include "formats/loaders/storage_loader.h"
#include "formats/pickle/opcodes.h"
#include "model/pickle_reports.h"

namespace torchvet {
namespace {

/// How pickle begins with a file that is none.
std::optional<LoadOutcome> refusal_of_first_byte(ByteView file) {
  if (file.empty()) return LoadOutcome::fails("EOFError", "Ran out of input");
  const std::uint8_t first = file[0];
  if (!opcode_name(first).empty()) return std::nullopt;
  const bool printable = first >= 0x20 && first < 0x7f && first != '\'' && first != '\\';
  return LoadOutcome::fails("UnpicklingError",
                            printable ? fmt::format("invalid load key, '{}'.", char(first))
                                      : fmt::format("invalid load key, '\\x{:02x}'.", first));
}

/// A file of torch.save that the reader of its format understood to its end.
bool is_sound(const Artifact& artifact) {
  constexpr int kNewestProtocol = 5;
  const bool saved =
      artifact.format == Format::kTorchZip || artifact.format == Format::kTorchLegacy;
  return saved && artifact.gaps.empty() &&
         std::all_of(artifact.faults.begin(), artifact.faults.end(), is_of_layout) &&
         std::all_of(artifact.pickles.begin(), artifact.pickles.end(),
                     [](const PickleProgram& p) { return p.protocol <= kNewestProtocol; });
}

}  // namespace

LoadOutcome load_unrestricted(const Source& source, const Artifact& artifact,
                              const LoadOutcome& restricted, TorchRelease release,
                              const Limits& limits) {
  if (restricted.opens != false) return restricted;
  switch (restricted.problem) {
    case LoadProblem::kTorchScript:
      return load_script(source, artifact, limits);
    case LoadProblem::kDevice:
    case LoadProblem::kCut:
    case LoadProblem::kContainer:
    case LoadProblem::kNoArchive:
      return restricted;
    case LoadProblem::kName:
    case LoadProblem::kBlockedName:
    case LoadProblem::kNested:
    case LoadProblem::kDistributed:
      return LoadOutcome::undecided("it depends on the modules that the pickle imports");
    case LoadProblem::kTar:
      return LoadOutcome::undecided("files of torch before 0.1.10 are not followed here");
    case LoadProblem::kOpcode:
    case LoadProblem::kConstruct:
    case LoadProblem::kOutside:
    case LoadProblem::kOther:
      break;
  }
  const ByteView file = source.bytes();
  if (!file.starts_with("PK\3\4")) {
    if (auto end = refusal_of_first_byte(file)) return std::move(*end);
  }
  if (restricted.problem == LoadProblem::kOther) {
    return LoadOutcome::undecided("Python's unpickler is not followed here");
  }
  if (!is_sound(artifact) || !allows_all_names(artifact, release)) {
    return LoadOutcome::undecided("it depends on the modules that the pickle imports");
  }
  for (const Storage& storage : artifact.storages) {
    if (auto end = refusal_of_location(storage.location)) return std::move(*end);
  }
  return LoadOutcome::opened();
}

}  // namespace torchvet
