#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/dtype.h"
#include "model/pair_facts.h"
#include "model/value_facts.h"

namespace torchvet {

/// What a tensor looks like, apart from its numbers.
struct TensorForm {
  DType dtype = DType::kUnknown;
  std::vector<std::int64_t> shape;
  [[nodiscard]] bool operator==(const TensorForm&) const = default;
};

/// One tensor of the model in one checkpoint. What the series keeps of it: its numbers are let go
/// when the next checkpoint but one is read.
struct TrackPoint {
  std::optional<std::uint32_t> form;  ///< index into `Series::forms`; nothing: it is not there
  std::optional<bool> moved;          ///< since the checkpoint before, when that could be told
  std::uint64_t not_finite = 0;       ///< NaN and infinities
  bool counted = false;               ///< `not_finite` is known
  std::optional<PairFacts> since;     ///< against the checkpoint before, when it moved
  /// Whether it holds what torch's generator drew; asked only where the numbers were replaced.
  std::optional<FingerprintEvidence> fingerprint;
};

/// Why a parameter of a series did not move, as far as its newest checkpoint tells.
enum class StaticCause : std::uint8_t {
  kUnknown,           ///< no optimizer in the file, or its parameters cannot be told by name
  kFrozen,            ///< `requires_grad` is False in the file
  kNotInOptimizer,    ///< the optimizer does not list it
  kNoGradient,        ///< listed, but without state: no gradient ever reached it
  kZeroGradient,      ///< its second moments are all zero: every gradient was
  kZeroLearningRate,  ///< the learning rate of its group is 0
  kRounding,          ///< a 16-bit or narrower type: updates may be lost in rounding
};

/// For people: "the optimizer does not list it".
[[nodiscard]] std::string_view text_of(StaticCause cause);

/// One tensor of the model, followed through a series by its name.
struct Track {
  std::string name;  ///< without the prefix of a wrapper (`module.`, `_orig_mod.`) of whole models
  bool is_parameter = false;
  std::vector<TrackPoint> points;  ///< by snapshot
  StaticCause cause = StaticCause::kUnknown;
};

/// Checkpoints of one training run, oldest first, as what is left of them after each was looked at
/// beside the one before: a few numbers for each tensor, whatever the tensors weigh.
struct Series {
  struct Snapshot {
    std::string path;
    std::optional<double> step;       ///< what the file or its name says of its place in the run
    bool zero_learning_rate = false;  ///< every learning rate in the file is 0, and there is one
  };
  std::vector<Snapshot> snapshots;
  std::vector<TensorForm> forms;
  std::vector<Track> tracks;  ///< in the order of the newest snapshot that has them
  /// What the order was taken from: "`global_step` in the files", "the numbers in the names", "the
  /// order given".
  std::string order;

  [[nodiscard]] const TensorForm& form(const TrackPoint& point) const { return forms[*point.form]; }
};

enum class Movement : std::uint8_t {
  kSame,  ///< bitwise the same values, shape and type
  kMoved,
  kUnknown,  ///< in only one of the two, or without readable values
};

/// From snapshot `to - 1` to snapshot `to`.
[[nodiscard]] Movement movement(const Track& track, std::size_t to);

/// Over all snapshots: kSame when no interval moved and none is unknown, kMoved when one moved.
[[nodiscard]] Movement movement(const Track& track);

/// |after - before| / |before| from snapshot `to - 1` to `to`: 0 where nothing moved; nothing where
/// it is not known or there was nothing before.
[[nodiscard]] std::optional<double> relative_update(const Track& track, std::size_t to);

/// True for a matrix of 256 elements or more that has so little in common with itself one
/// checkpoint before (a cosine of 0.3 at most) that its numbers were replaced rather than trained.
[[nodiscard]] bool was_replaced(std::uint64_t elements, const std::vector<std::int64_t>& shape,
                                const PairFacts& since);

/// Two dimensions or more in the newest snapshot.
[[nodiscard]] bool is_matrix(const Series& series, const Track& track);

/// True when the numbers that give the order rise; without such numbers when batch norm counters
/// show that training went on.
[[nodiscard]] bool training_advanced(const Series& series);

}  // namespace torchvet
