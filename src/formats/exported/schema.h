#pragma once

#include <optional>

#include "core/error.h"
#include "json/document.h"

namespace torchvet {

/// The release of the schema that is known here: 8.20, of torch 2.13. A newer one may have classes
/// that this one does not.
inline constexpr std::int64_t kKnownSchemaMajor = 8;
inline constexpr std::int64_t kKnownSchemaMinor = 20;

/// The JSON texts of a `.pt2` that torch.export.load turns into its dataclasses.
enum class SchemaRoot {
  kProgram,   ///< ExportedProgram: `models/NAME.json`
  kPayloads,  ///< PayloadConfig: the configs of weights and of constants
};

/// The first thing because of which torch.export.load cannot make its dataclasses of a JSON text: a
/// field that is not there, a member that a union does not have, a value of another kind; or a value
/// of a graph that none of its tables describes. Nothing when it can.
/// Error: kExportedBadProgram.
[[nodiscard]] std::optional<Error> against_schema(Json root, SchemaRoot kind);

}  // namespace torchvet
