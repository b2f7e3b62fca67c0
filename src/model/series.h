#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/dtype.h"
#include "model/pair_facts.h"
#include "model/series_counters.h"

namespace torchvet {

/// What a tensor looks like, apart from its numbers.
struct TensorForm {
  DType dtype = DType::kUnknown;
  std::vector<std::int64_t> shape;
  [[nodiscard]] bool operator==(const TensorForm&) const = default;
};

enum class Movement : std::uint8_t {
  kSame,  ///< bitwise the same values, shape and type
  kMoved,
  kUnknown,  ///< in only one of the two, or without readable values
};

/// One tensor of the model in one checkpoint, and against the one before: all that a series keeps
/// of it. Its numbers are let go when the next checkpoint but one is read.
struct TrackPoint {
  std::optional<std::uint32_t> form;  ///< index into `Series::forms`; nothing: it is not there
  Movement moved = Movement::kUnknown;
  bool counted = false;          ///< `not_finite` is known
  bool replaced = false;         ///< its numbers were replaced rather than trained (`was_replaced`)
  bool drawn = false;            ///< and are now what torch's generator draws
  std::uint32_t not_finite = 0;  ///< NaN and infinities; more than fit into 32 bits are 2^32 - 1
  // As `PairFacts` has them, in single precision; NaN where it is not known.
  float update = kNotKnown;  ///< |after - before| / |before|; 0 where nothing moved
  float growth = kNotKnown;  ///< |after| / |before|, where something moved
  float cosine = kNotKnown;

  static constexpr float kNotKnown = std::numeric_limits<float>::quiet_NaN();
};

/// Why a parameter of a series did not move, as far as its newest checkpoint tells.
enum class StaticCause : std::uint8_t {
  kUnknown,           ///< no optimizer in the file, or its parameters cannot be told by name
  kFrozen,            ///< `requires_grad` is False in the file
  kNotInOptimizer,    ///< the optimizer does not list it
  kNoGradient,        ///< listed, but without state: no gradient ever reached it
  kZeroGradient,      ///< its second moments are all zero: every gradient was
  kZeroLearningRate,  ///< the learning rate of its group is 0
  kNeverChanged,      ///< listed, and no update ever changed it; it is not known why
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

/// A copy of the model that averages it (EMA, SWA), followed beside it.
struct AverageCopy {
  /// A tensor of it that has the name and the form of one of the model.
  struct Member {
    std::size_t track = 0;        ///< of the model's tensor in `Series::tracks`
    std::vector<Movement> moved;  ///< by snapshot, against the one before
    bool narrow = false;          ///< of a type of 16 bits or fewer
  };
  std::string path;                            ///< where it hangs: "ema_state_dict"
  std::vector<std::optional<double>> updates;  ///< how many it counts itself, by snapshot
  std::vector<Member> members;
};

/// Checkpoints of one training run, oldest first, as what is left of them after each was looked at
/// beside the one before: a few numbers for each tensor, whatever the tensors weigh.
struct Series {
  struct Snapshot {
    std::string path;
    std::optional<double> step;       ///< what the file or its name says of its place in the run
    bool zero_learning_rate = false;  ///< every learning rate in the file is 0, and there is one
    std::vector<Counter> counters;    ///< what in the file counts the steps of the run
    bool named_average = false;       ///< its name says that it holds an average: `last-ema.pt`
    bool partly_read = false;         ///< what is missing in it may lie in what was not analysed
  };
  std::vector<Snapshot> snapshots;
  std::vector<TensorForm> forms;
  std::vector<Track> tracks;          ///< in the order of the newest snapshot that has them
  std::vector<AverageCopy> averages;  ///< by path
  /// What the order was taken from: "`global_step` in the files", "the numbers in the names", "the
  /// order given".
  std::string order;

  [[nodiscard]] const TensorForm& form(const TrackPoint& point) const { return forms[*point.form]; }
};

/// From snapshot `to - 1` to snapshot `to`.
[[nodiscard]] Movement movement(const Track& track, std::size_t to);

/// Over all snapshots: kSame when no interval moved and none is unknown, kMoved when one moved.
[[nodiscard]] Movement movement(const Track& track);

/// True for a matrix of 256 elements or more that was not zero one checkpoint before, and has so
/// little in common with what it was (a cosine of 0.3 at most) that its numbers were replaced
/// rather than trained.
[[nodiscard]] bool was_replaced(std::uint64_t elements, const std::vector<std::int64_t>& shape,
                                const PairFacts& since);

/// True for an interval at the begin of a training, at least as long as all that went before: some
/// layers unlearn their initialisation there, and look as if they were replaced.
[[nodiscard]] bool is_early(const Series& series, std::size_t to);

/// "from 100 to 500, `global_step` in the files", or how the checkpoints were ordered, where that
/// gave no numbers.
[[nodiscard]] std::string span_text(const Series& series);

/// True when snapshots `to - 1` and `to` say that they are of the same step: by the number that
/// orders them, or by one in both files that counts the steps of the whole run.
[[nodiscard]] bool same_place(const Series& series, std::size_t to);

/// Whether a matrix of the parameters moved from snapshot `to - 1` to snapshot `to`.
[[nodiscard]] bool matrices_moved(const Series& series, std::size_t to);

/// Two dimensions or more in the newest snapshot.
[[nodiscard]] bool is_matrix(const Series& series, const Track& track);

/// True when the numbers that give the order rise; without such numbers when batch norm counters
/// show that training went on.
[[nodiscard]] bool training_advanced(const Series& series);

}  // namespace torchvet
