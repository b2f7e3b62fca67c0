#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "formats/loaders/outcome.h"
#include "formats/pickle/python2_names.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

/// What a name of the restricted unpickler's table stands for.
enum class AllowedKind : std::uint8_t {
  kClass,
  kFunction,
  kDType,
  kQScheme,
  kStorageType,  ///< an object of torch with the element type, in place of the storage class
  kTensorType,   ///< torch.FloatTensor and its like
};

struct AllowedName {
  AllowedKind kind;
  std::string_view name;
  TorchRelease since;
  TorchRelease until;  ///< the first without it; {0, 0} when there is none
};

/// Releases whose restricted unpickler is known, ascending.
inline constexpr std::array<TorchRelease, 4> kKnownUnpicklers = {
    {{2, 6}, {2, 9}, {2, 13}, {2, 15}}};

/// What torch's unpickler makes of a name in the spelling of Python 2: it maps far fewer than
/// pickle.
[[nodiscard]] PythonName name_for_torch(std::string_view module, std::string_view name);

/// The entry of "module.name" in the table of a known release; null when it has none.
[[nodiscard]] const AllowedName* find_allowed(std::string_view full_name, TorchRelease release);

/// The whole table, of all known releases, in the order of the names.
[[nodiscard]] std::span<const AllowedName> allowed_names();

/// How torch's restricted unpickler refuses the GLOBAL, in its own words; nothing when it does not.
/// It is true of a process that has imported torch and nothing that adds to the list.
[[nodiscard]] std::optional<LoadOutcome> refusal_of_global(std::string_view module,
                                                           std::string_view name,
                                                           TorchRelease release);

/// Whether it allows every name that the pickles of the artifact import.
[[nodiscard]] bool allows_all_names(const Artifact& artifact, TorchRelease release);

}  // namespace torchvet
