#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// Why a load fails, as far as something can be done about it.
enum class LoadProblem : std::uint8_t {
  kOther,
  kName,         ///< the restricted unpickler does not allow a name
  kBlockedName,  ///< nor can anybody allow it: it is one of `os`, `sys`, `posix`, `nt`
  kNested,       ///< a name that is allowed once torch._dynamo is imported
  kDistributed,  ///< a name that is allowed once torch.distributed.tensor is imported
  kOpcode,       ///< the restricted unpickler does not know an opcode
  kConstruct,    ///< nor does it take what an opcode is used for
  kDevice,       ///< a storage lies on a device that this machine does not have
  kTorchScript,  ///< the archive is one of TorchScript
  kCut,          ///< the end of the file is missing, or it is no archive at all
  kContainer,    ///< what holds the pickle is not as torch's reader wants it
  kNoArchive,    ///< the loader takes archives alone
  kTar,          ///< the file is a tar, as torch wrote before 0.1.10
  kOutside,      ///< undecided: it depends on numbers in storages, memory, time, or a device
};

/// An opcode of a pickle.
struct PicklePlace {
  std::string member;        ///< that holds the pickle
  std::uint64_t offset = 0;  ///< in the file; of an inflated member, in its contents
  std::string cause;         ///< what is wrong there, where the exception does not name it
};

/// What one loader would do with the file.
struct LoaderPrediction {
  std::string loader;         ///< as one writes it: "torch.load(weights_only=True)"
  std::optional<bool> opens;  ///< nothing: undecided, and `error` says why
  std::string error;          ///< the exception and the stable part of its text
  std::string remedy;         ///< what would make it load; empty when nothing is known
  LoadProblem problem = LoadProblem::kOther;  ///< when it fails
  std::optional<PicklePlace> where;           ///< when it fails, at which opcode: of torch.jit.load
  /// Every name of the file that weights_only=True does not allow, as `shown_name` spells them,
  /// sorted: when `problem` is one of a name, or of a device that is met before the name; and of the
  /// pickles that torch.export.load loads.
  std::vector<std::string> names;
};

/// Loaders that rules ask for.
inline constexpr std::string_view kWeightsOnlyLoader = "torch.load(weights_only=True)";
inline constexpr std::string_view kScriptLoader = "torch.jit.load";
inline constexpr std::string_view kPickleLoader = "torch::pickle_load";
inline constexpr std::string_view kExportLoader = "torch.export.load";

}  // namespace torchvet
