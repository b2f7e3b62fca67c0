#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/artifact.h"
#include "model/series.h"

namespace torchvet {

/// Where the tensors of the model stand in a series, by name.
using TrackIndex = std::unordered_map<std::string, std::size_t>;

/// The tensors in which averages count their updates: `AverageFollower` must know their moments.
void plan_averages(const Artifact& artifact, std::set<TensorId>& wanted);

/// Follows the averages of the model (EMA, SWA) from checkpoint to checkpoint.
class AverageFollower {
 public:
  /// Adds the tensors of averages that stand in the same place in the checkpoint that was added
  /// last and in the next. `model`: the entries of the model in the next, without wrappers.
  void add_pairs(const Artifact& next, const std::vector<StateEntry>& model,
                 std::vector<TensorPair>& pairs) const;

  /// Takes the averages in checkpoint number `snapshot` and what became of the pairs.
  void add(const Artifact& artifact, const std::vector<StateEntry>& model, const TrackIndex& tracks,
           std::size_t snapshot, const Changes& changes);

  /// `place_of` tells where each track went.
  [[nodiscard]] std::vector<AverageCopy> copies(const std::vector<std::size_t>& place_of) const;

 private:
  struct Followed {
    AverageCopy copy;
    std::map<std::size_t, std::size_t> members;  ///< by track: which of the copy's it is
    std::map<std::string, TensorId> last;        ///< of the last checkpoint, by the model's names
  };

  std::map<std::string, Followed> followed_;  ///< by path
};

}  // namespace torchvet
