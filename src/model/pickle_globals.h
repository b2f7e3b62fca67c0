#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace torchvet {

/// How bad it is that a pickle imports a name.
enum class GlobalRisk : std::uint8_t {
  kDangerous,  ///< can run a program, run code, reach files or the network, or reach such a name
  kHides,      ///< unpacks or builds code that is not looked at here: other pickles, bytecode
};

struct RiskyGlobal {
  GlobalRisk risk = GlobalRisk::kDangerous;
  std::string_view reason;  ///< "runs a program through the shell": follows the name in a sentence
};

/// Whether a name is in the table of names that no checkpoint needs and that do harm when called.
/// A dotted name, which protocol 4 takes for a path of attributes, is judged by all its parts:
/// ("torch.serialization", "os.system") is os.system.
[[nodiscard]] std::optional<RiskyGlobal> risk_of_global(std::string_view module,
                                                        std::string_view name);

/// Whether the name is a data type or function of the standard library that checkpoints hold, or
/// belongs to torch or a library that writes checkpoints. That says who made it, not that loading
/// it is safe.
[[nodiscard]] bool is_known_name(std::string_view module, std::string_view name);

/// Whether a call of this name by a pickle is nothing to mention: a known name, and what looks like
/// a class.
[[nodiscard]] bool is_ordinary_callable(std::string_view module, std::string_view name);

/// Names of attributes that lead from any object to the interpreter: "__globals__".
[[nodiscard]] bool is_interpreter_attribute(std::string_view name);

}  // namespace torchvet
