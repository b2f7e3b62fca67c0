#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/artifact.h"
#include "model/series.h"

namespace torchvet {

/// The state of the model in a checkpoint: its own state_dict, or that of its root module. Without
/// entries when the file holds no model.
[[nodiscard]] StateDict model_of(const Artifact& artifact);

/// What a series must know of the numbers of a checkpoint besides its `changes`: counts of the
/// model's tensors that were not compared, and of the optimizer the stored steps and the second
/// moments.
[[nodiscard]] ValuePlan series_plan(const Artifact& artifact, const Changes& changes);

/// A floating-point tensor that moved.
struct MovedTensor {
  std::size_t track = 0;
  TensorId after = 0;
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

  /// Tensors of the checkpoint that was added last, and what has their names and forms in the next:
  /// what is to be compared.
  [[nodiscard]] std::vector<TensorPair> pairs(const Artifact& next) const;
  /// Adds a checkpoint whose values of `series_plan` are known. `changes`: of its `pairs`.
  void add(const Artifact& artifact, std::optional<double> step, const Changes& changes);
  /// Floating-point tensors that moved from the last checkpoint but one to the last.
  [[nodiscard]] const std::vector<MovedTensor>& moved() const { return moved_; }
  [[nodiscard]] TrackPoint& point(const MovedTensor& moved) {
    return series_.tracks[moved.track].points.back();
  }
  /// The series so far; `newest` is the checkpoint that was added last, and tells why tensors are
  /// static.
  [[nodiscard]] Series series(const Artifact& newest) const;

 private:
  std::uint32_t form_index(const Tensor& tensor);

  Series series_;
  std::unordered_map<std::string, std::size_t> index_;  ///< of the tracks by name
  std::map<std::pair<DType, std::vector<std::int64_t>>, std::uint32_t> forms_;
  std::vector<std::size_t> places_;       ///< of each track in the newest snapshot that has it
  std::map<std::size_t, TensorId> last_;  ///< tensors of the last snapshot by track
  std::vector<MovedTensor> moved_;
};

}  // namespace torchvet
