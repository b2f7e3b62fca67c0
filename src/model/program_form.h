#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/artifact.h"

namespace torchvet {

/// How a saved program was made, which decides what it can still show of the author's code.
enum class ProgramForm : std::uint8_t {
  kNone,              ///< no program
  kScript,            ///< torch.jit.script: the code itself, with its branches
  kTrace,             ///< torch.jit.trace: what one example ran through
  kExport,            ///< torch.export
  kDecomposedExport,  ///< the same after run_decompositions()
};
[[nodiscard]] ProgramForm program_form(const Artifact& artifact);

/// "a trace", "a decomposed export"; empty for none.
[[nodiscard]] std::string_view name_of(ProgramForm form);

/// The batch size of the example that a trace was made with: the first size of its example inputs,
/// when all that have dimensions agree and it is 2 or more, so that it can be told from other ones.
[[nodiscard]] std::optional<std::int64_t> example_batch(const Artifact& artifact);

}  // namespace torchvet
