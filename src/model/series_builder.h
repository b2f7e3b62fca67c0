#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/artifact.h"
#include "model/series.h"
#include "model/series_averages.h"

namespace torchvet {

/// The state of the model in a checkpoint: its own state_dict, or that of its root module. Without
/// entries when the file holds no model.
[[nodiscard]] StateDict model_of(const Artifact& artifact);

/// What a series must know of the numbers of a checkpoint besides its `changes`: counts of the
/// model's tensors that were not compared, and of the optimizer the stored steps and the second
/// moments.
[[nodiscard]] ValuePlan series_plan(const Artifact& artifact, const Changes& changes);

/// A tensor whose numbers were replaced rather than trained (`was_replaced`).
struct ReplacedTensor {
  std::size_t track = 0;
  TensorId tensor = 0;
};

/// Takes checkpoints one by one, oldest first, and keeps what `Series` promises. The caller holds
/// the newest two artifacts; the builder none.
///
///     const Changes changes = compare_values(last, artifact, builder.pairs(artifact), limits);
///     compute_values(artifact, series_plan(artifact, changes), limits);
///     builder.add(artifact, step, changes);
class SeriesBuilder {
 public:
  explicit SeriesBuilder(std::string order) { series_.order = std::move(order); }

  /// Tensors of the checkpoint that was added last, and what has their names and forms in the next,
  /// of the model and of its averages: what is to be compared.
  [[nodiscard]] std::vector<TensorPair> pairs(const Artifact& next) const;
  /// Adds a checkpoint whose values of `series_plan` are known. `changes`: of its `pairs`.
  void add(const Artifact& artifact, std::optional<double> step, const Changes& changes);
  /// Tensors of the last checkpoint whose numbers were replaced since the one before.
  [[nodiscard]] const std::vector<ReplacedTensor>& replaced() const { return replaced_; }
  /// Says of one of them that torch's generator draws what it holds now.
  void set_drawn(const ReplacedTensor& one) {
    series_.tracks[one.track].points.back().drawn = true;
  }
  /// The series so far; `newest` is the checkpoint that was added last, and tells why tensors are
  /// static.
  [[nodiscard]] Series series(const Artifact& newest) const;

 private:
  std::uint32_t form_index(const Tensor& tensor);
  /// What became of a tensor of the model, whose form is known.
  void put(const ChangeFacts& change, TrackPoint& point) const;

  Series series_;
  TrackIndex index_;
  std::map<std::pair<DType, std::vector<std::int64_t>>, std::uint32_t> forms_;
  std::vector<std::size_t> places_;       ///< of each track in the newest snapshot that has it
  std::map<std::size_t, TensorId> last_;  ///< by track: in the last snapshot
  std::vector<ReplacedTensor> replaced_;
  AverageFollower averages_;
};

}  // namespace torchvet
