#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "json/document.h"

namespace torchvet {

/// What one placeholder of an exported program's graph stands for.
struct ExportedInput {
  enum class Kind : std::uint8_t { kUser, kParameter, kBuffer, kConstant, kObject, kOther };
  Kind kind = Kind::kOther;
  std::string_view name;    ///< of the placeholder; empty when it has none
  std::string_view target;  ///< path of the parameter or buffer, name of the constant or object
  bool not_persistent = false;  ///< of a buffer
};

/// The inputs that a program's signature names, in order. Views live as long as the JSON does.
/// Errors: kExportedBadProgram.
[[nodiscard]] Result<std::vector<ExportedInput>> exported_inputs(Json signature);

/// For each output of the graph, in order, the buffer that it is the new value of, or nothing. It
/// may be shorter than the outputs are.
[[nodiscard]] std::vector<std::optional<std::string_view>> exported_buffer_writes(Json signature,
                                                                                  Json graph);

/// Modules that are called keep the trees of their arguments and results as JSON in a string, `[1,
/// {...}]`, the number being the protocol, of which torch up to 2.13 knows 1. An error
/// (kArchiveRefused) names the first that torch cannot load.
[[nodiscard]] std::optional<Error> unreadable_call_tree(Json graph_module, const Limits& limits);

/// The name in an argument such as {"as_tensor": {"name": "x"}} or {"as_sym_int": {"as_name":
/// "n"}}.
[[nodiscard]] std::optional<std::string_view> exported_argument_name(std::optional<Json> argument);

}  // namespace torchvet
