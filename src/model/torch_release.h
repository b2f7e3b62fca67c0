#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// "2.9" of torch; the third number makes no difference here.
struct TorchRelease {
  int major = 0;
  int minor = 0;
  auto operator<=>(const TorchRelease&) const = default;
};

/// The newest release that anything is known of.
inline constexpr TorchRelease kNewestTorch = {2, 13};

/// Nothing when the text does not begin with two numbers.
[[nodiscard]] std::optional<TorchRelease> release_from_text(std::string_view text);
[[nodiscard]] std::string to_text(TorchRelease release);

/// Operators that came with a release: names of `aten`, separated by spaces.
struct OperatorsOfRelease {
  TorchRelease release;
  std::string_view names;
};
[[nodiscard]] const std::vector<OperatorsOfRelease>& operators_by_release();

/// With which release an operator came; nothing for those that are older than the table, and for all
/// that it does not know.
[[nodiscard]] std::optional<TorchRelease> release_of_operator(std::string_view op);

}  // namespace torchvet
