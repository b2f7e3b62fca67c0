#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "model/artifact.h"

namespace torchvet {

/// Why nothing of this name is there to be imported, whatever is installed where the file is loaded;
/// nothing when it may be there. Of torch's own names those are told that are one letter or two, which are
/// no digits, away from one that the restricted unpickler allows.
[[nodiscard]] std::optional<std::string> why_missing(std::string_view module, std::string_view name);

/// The same of a pickle of a TorchScript program, which LibTorch's own unpickler reads: it knows a few
/// functions and the classes of the program (`__torch__`), and imports nothing.
[[nodiscard]] std::optional<std::string> why_missing_in_script(std::string_view module,
                                                               std::string_view name);

/// How many letters of a short name were changed, put in or left out to make the other, up to three;
/// three where something other than a letter was.
[[nodiscard]] int letters_off(std::string_view a, std::string_view b);

/// Why a name of a module cannot be imported; nothing when it may be there.
using WhyMissing =
    std::function<std::optional<std::string>(std::string_view module, std::string_view name)>;

/// A fault (kPickleBadName) at each name that a pickle imports and that cannot be there, each name once.
void check_imports_of(const PickleProgram& pickle, const WhyMissing& why_missing,
                      Artifact& artifact);

/// The same of all pickles of an artifact that is no package of torch.package: the file was damaged or
/// edited.
void check_imported_names(Artifact& artifact);

}  // namespace torchvet
