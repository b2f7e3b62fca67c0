#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace torchvet {

/// How a load ends. `text` is the exception as Python prints it, cut where it stops being stable;
/// or, when it is not decided whether the file opens, why.
struct LoadOutcome {
  std::optional<bool> opens;
  std::string text;

  [[nodiscard]] static LoadOutcome opened() { return {true, {}}; }
  [[nodiscard]] static LoadOutcome fails(std::string_view exception, std::string_view message) {
    std::string text(exception);
    if (!message.empty()) text.append(": ").append(message);
    return {false, std::move(text)};
  }
  [[nodiscard]] static LoadOutcome undecided(std::string why) {
    return {std::nullopt, std::move(why)};
  }
};

}  // namespace torchvet
