#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "model/loaders.h"

namespace torchvet {

/// How a load ends. `text` is the exception as Python prints it, cut where it stops being stable;
/// or, when it is not decided whether the file opens, why.
struct LoadOutcome {
  std::optional<bool> opens;
  std::string text;
  LoadProblem problem = LoadProblem::kOther;
  std::optional<PicklePlace> where;  ///< at which it fails, where that is told

  [[nodiscard]] static LoadOutcome opened() { return {true, {}}; }
  [[nodiscard]] static LoadOutcome fails(std::string_view exception, std::string_view message,
                                         LoadProblem problem = LoadProblem::kOther) {
    std::string text(exception);
    if (!message.empty()) text.append(": ").append(message);
    return {false, std::move(text), problem};
  }
  [[nodiscard]] static LoadOutcome undecided(std::string why,
                                             LoadProblem problem = LoadProblem::kOther) {
    return {std::nullopt, std::move(why), problem};
  }
};

}  // namespace torchvet
