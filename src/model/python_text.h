#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// What lines of an author's Python say, told from the text alone. Comments and strings are passed
/// over; what is not understood is no answer.

/// A call of `forward` on something: `self.fc.forward(x)`.
struct ForwardCall {
  std::string receiver;    ///< "self.fc"
  std::uint64_t line = 0;  ///< within the text, from 0
  std::string text;        ///< the line, without the spaces around it
};

/// The calls of `forward` that pass a module's hooks by. Not among them: a module's own
/// (`self.forward(x)`), that of a base class (`super().forward(x)`, `Base.forward(self, x)`), and
/// that of an autograd function (`Scale.forward(ctx, x)`).
[[nodiscard]] std::vector<ForwardCall> forward_calls(std::string_view text);

/// The name that is called when the line is a statement that only calls: "relu" of `x.relu()` and
/// of `torch.relu(x)  # twice`, also where the call goes on in the next line. Empty when it is
/// anything else.
[[nodiscard]] std::string_view called_in_statement(std::string_view line);

/// True for a file of an installed package, which is not the author's own.
[[nodiscard]] bool is_installed(std::string_view file);

}  // namespace torchvet
