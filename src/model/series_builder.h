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

/// What a series must know of the numbers of each checkpoint: digests and counts of the model's
/// tensors, and of the optimizer the stored steps and the second moments.
[[nodiscard]] ValuePlan series_plan(const Artifact& artifact);

/// A tensor that may have moved: the same name and form in two neighbouring checkpoints, and
/// digests that differ.
struct MovedTensor {
  std::size_t track = 0;
  TensorId before = 0, after = 0;
};

/// Takes checkpoints one by one, oldest first, and keeps what `Series` promises. The caller holds
/// the newest two artifacts; the builder none.
///
///     builder.add(artifact, step);
///     for (const MovedTensor& moved : builder.moved()) builder.point(moved).since = compare(...);
class SeriesBuilder {
 public:
  explicit SeriesBuilder(std::string order) { series_.order = std::move(order); }

  /// Adds a checkpoint whose values of `series_plan` are known.
  void add(const Artifact& artifact, std::optional<double> step);
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
