#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Names under which scripts keep the place of a checkpoint in its run, at the top of the file.
inline constexpr std::array<std::string_view, 11> kStepKeys = {
    "global_step", "step",       "steps", "current_step", "num_steps", "num_updates",
    "iteration",   "iterations", "iter",  "iter_num",     "epoch"};

/// True for the keys that count the updates of the whole run: `global_step`, `num_updates`. Others
/// (`step`, `iteration`, ...) some scripts start again in every epoch.
[[nodiscard]] bool is_step_of_run(std::string_view key);

/// Something in a checkpoint that counts steps.
struct Counter {
  enum class Kind : std::uint8_t {
    kStored,     ///< a number under one of `kStepKeys`
    kOptimizer,  ///< the highest step that an optimizer keeps for a parameter, or a group
    kScheduler,  ///< `last_epoch` of a learning rate scheduler
  };
  Kind kind = Kind::kStored;
  std::string name;  ///< the key, or where the optimizer or scheduler hangs
  double value = 0;
  std::uint64_t listed = 0;  ///< parameters in the groups of the optimizer
  [[nodiscard]] bool operator==(const Counter&) const = default;
};

/// The number under a key at the top of the file.
[[nodiscard]] std::optional<double> stored_number(const Artifact& artifact, std::string_view key);

/// All counters of a checkpoint; those of its optimizers only where the values of `series_plan` or
/// `place_plan` were computed. One optimizer that counts nothing (SGD), or whose steps cannot be
/// read, leaves all of them out: it may be the one that trained. `ReduceLROnPlateau` and schedulers
/// within a scheduler are left out too: they count when they please.
[[nodiscard]] std::vector<Counter> counters_of(const Artifact& artifact);

/// The counter of this kind and name; null when there is none.
[[nodiscard]] const Counter* find_counter(const std::vector<Counter>& counters, Counter::Kind kind,
                                          std::string_view name);

}  // namespace torchvet
