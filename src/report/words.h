#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/escape.h"
#include "engine/report.h"

namespace torchvet {

/// What the reports share: the words for what they say, and text from artifacts made safe to show.

inline constexpr std::size_t kLongestMessage = 2000;

/// Text from an artifact, safe in a line for people: bytes that are no UTF-8 as `\xNN`, so that a
/// report made of the JSON report is the same, then as `escape_text` says. It holds no newline and
/// no control character. What a format itself gives a meaning to is the writer's to escape.
[[nodiscard]] std::string printed(std::string_view raw, std::size_t limit = kLongestMessage);

/// Where the finding is, from the author's source down to the bytes, safe to show: "forward,
/// net.py:23, module path `head`". Empty when it is about the file as a whole.
[[nodiscard]] std::string place_of(const Finding& finding, std::string_view object_path);

/// "1 tensor", "2 tensors".
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view noun);

/// "1.2 GB", "12 kB", "7 B".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

/// "2 errors, 1 warning, 3 suppressed"; "no findings".
[[nodiscard]] std::string counts_text(const Report& report);

/// "2 errors in 3 artifacts (12.4 GB, 4.1 s), 1 part not analysed": all of a run but its verdict.
[[nodiscard]] std::string summary_text(const Report& report);

/// "passed", "FAILED", "INCOMPLETE", "ERROR".
[[nodiscard]] std::string_view verdict_of(Outcome outcome);

}  // namespace torchvet
