#pragma once

#include <optional>
#include <vector>

#include "core/error.h"
#include "json/document.h"

namespace torchvet {

/// The first call of a program that torch 2.13 cannot make of its JSON, in any of its graphs: of an
/// operator that torch does not have, of a function that no program may call, without an argument that
/// the operator needs (kArchiveRefused: torch.export.load raises an error); or with one that it does not
/// take (kExportedBadProgram: torch drops it without a word, and what is left may compute something
/// else; the same of a name with signs that no name has). Operators of other libraries are not judged.
/// `for_training`: the program's verifier lets it call operators that change their arguments.
[[nodiscard]] std::optional<Error> calls_at_odds(Json graph_module, bool for_training);

}  // namespace torchvet
