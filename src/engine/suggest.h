#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace torchvet {

/// The candidate that a mistyped word most likely meant: the one at the smallest edit distance,
/// letter case ignored, when that is at most a third of the word's length (at least 1). The first
/// one wins a tie.
[[nodiscard]] std::optional<std::string> closest(std::string_view word,
                                                 std::span<const std::string> candidates);

/// "; did you mean X?" for the closest candidate, or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string> candidates);

}  // namespace torchvet
