#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace torchvet {

/// `--color` and `--progress` alike.
enum class When : std::uint8_t { kAuto, kAlways, kNever };
[[nodiscard]] std::optional<When> when_from_name(std::string_view name);

/// Whether to write colours to a file descriptor: what the user said, else NO_COLOR (set and not
/// empty: no), else FORCE_COLOR or CLICOLOR_FORCE (set, not empty, not "0": yes), else whether it
/// is a terminal that TERM does not call dumb.
[[nodiscard]] bool use_color(When said, int descriptor);

/// Columns of the terminal behind a file descriptor; 0 when it is none: a pipe is never wrapped.
[[nodiscard]] int columns(int descriptor);

/// Lines of the terminal behind a file descriptor; 0 when it is none.
[[nodiscard]] int rows(int descriptor);

/// Whether the block characters of Unicode may be written to a file descriptor: it is a terminal,
/// the locale (LC_ALL, else LC_CTYPE, else LANG) is in UTF-8, and TERM names neither a dumb
/// terminal nor the Linux console, whose fonts lack them.
[[nodiscard]] bool use_blocks(int descriptor);

/// Whether a progress line may be shown on standard error: it is a terminal that can rewrite a
/// line, and this is no CI run.
[[nodiscard]] bool use_progress(When said);

/// The escape sequences that a report may use; all empty when there is no colour.
struct Palette {
  std::string_view error, warning, note, strong, faint, code, good, reset;
};
[[nodiscard]] const Palette& palette(bool color);

}  // namespace torchvet
