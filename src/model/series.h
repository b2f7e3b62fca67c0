#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Checkpoints of one training run, oldest first. The tensors that `series_plan` names have their
/// values.
struct Series {
  struct Snapshot {
    const Artifact* artifact = nullptr;
    std::optional<double> step;  ///< what the file or its name says of its place in the run
  };
  std::vector<Snapshot> snapshots;
  /// What the order was taken from: "`global_step` in the files", "the numbers in the names", "the
  /// order given".
  std::string order;
};

/// The state of the model in a snapshot: its own state_dict, or that of its root module. Without
/// entries when the file holds no model.
[[nodiscard]] StateDict model_of(const Artifact& artifact);

/// What `Series` promises to know of each snapshot: digests of the model's tensors, and of the
/// optimizer the stored steps and the second moments.
[[nodiscard]] ValuePlan series_plan(const Artifact& artifact);

/// Puts snapshots in order. The place of a snapshot is, whichever all of them have and no two share:
/// a number under a usual name in the file (global_step, step, iteration, epoch, ...), the step of
/// the optimizer, a number in the name of the file; else they stay in the order given.
[[nodiscard]] Series order_series(const std::vector<const Artifact*>& given);

/// One tensor of the model, followed through a series by its name.
struct Track {
  std::string name;  ///< without the prefix of a wrapper (`module.`, `_orig_mod.`) of whole models
  bool is_parameter = false;
  std::vector<std::optional<TensorId>> at;  ///< by snapshot; nothing: it is not there
};

enum class Movement : std::uint8_t {
  kSame,     ///< bitwise the same values, shape and type
  kMoved,
  kUnknown,  ///< in only one of the two, or without readable values
};

/// Every tensor that some snapshot has, in the order of the newest one that has it.
[[nodiscard]] std::vector<Track> tracks_of(const Series& series);

/// From snapshot `to - 1` to snapshot `to`.
[[nodiscard]] Movement movement(const Series& series, const Track& track, std::size_t to);

/// Over all snapshots: kSame when no interval moved and none is unknown, kMoved when one moved.
[[nodiscard]] Movement movement(const Series& series, const Track& track);

/// True when the numbers that give the order rise; without such numbers when batch norm counters or
/// the optimizer show that training went on.
[[nodiscard]] bool training_advanced(const Series& series, const std::vector<Track>& tracks);

}  // namespace torchvet
