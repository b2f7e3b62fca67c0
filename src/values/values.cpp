// The value pass: every tensor that a rule asked about is cut into pieces, and the pieces of all of
// them flow through one pipeline. The first stage hands them out in the order of the storages, so
// that each byte is read once, and inflates deflated ones on the way (reading_order.cpp,
// tensor_bytes.h); the second, on as many threads as there are, looks at the numbers; the third
// takes the results together in the order of the pieces, and feeds what needs that order (digests,
// rows), while the bytes are still in the cache. So the facts are the same whatever the number of
// threads, and the memory is bounded by the number of pieces in flight.
//
// What a hostile file could make expensive: many tensors that view the same bytes, and views with
// stride 0 that name one element a billion times. Equal views are computed once and copied; the
// logical bytes of all the others together may not exceed a multiple of the bytes that are really
// there (`Limits::value_ratio`), beyond which tensors are left as gaps.
#include "values/values.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "values/indices.h"
#include "values/init_bounds.h"
#include "values/piece_pipeline.h"
#include "values/reading_order.h"
#include "values/sparse.h"
#include "values/tensor_bytes.h"
#include "values/tensor_pass.h"

namespace torchvet {
namespace {

/// The plan without repetitions, ordered by storage: (storage, tensor) -> quantities.
using OrderedPlan = std::map<std::pair<StorageId, TensorId>, Quantities>;

/// A sparse tensor, and the one that holds its values.
struct Sparse {
  TensorId tensor = 0;
  TensorId values = 0;
  Quantities quantities = 0;
};

/// Hands out the pieces. Leaves gaps for tensors that cannot be read.
class Feeder {
 public:
  Feeder(Artifact& artifact, const ValuePlan& plan, const Limits& limits)
      : artifact_(artifact),
        opener_(artifact, limits),
        ordered_(order(plan, limits.value_ratio)) {
    join_equal_views();
    std::vector<TensorId> tensors;
    for (const auto& [key, quantities] : ordered_) tensors.push_back(key.second);
    const std::vector<OrderedPlan::value_type> items(ordered_.begin(), ordered_.end());
    for (const std::size_t position : reading_order(artifact, tensors)) {
      turns_.emplace_back(items[position].first.second, items[position].second);
    }
  }

  /// The most that there is to read.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// False when there is nothing left.
  bool next(Piece& piece) {
    while (true) {
      if (!tensor_) {
        if (at_ == turns_.size()) return false;
        begin(turns_[at_].first, turns_[at_].second);
        ++at_;
      } else if (fill(piece)) {
        return true;
      }
    }
  }

  /// Those of which the indices were asked for.
  [[nodiscard]] const std::vector<TensorId>& indexed() const { return indexed_; }

  /// After the last piece was taken: what a deflated storage hides behind its last tensor.
  void tell_of_storages() { opener_.tell(artifact_); }

  /// After the last piece was taken, and all copies were made: tensors without bytes are one gap. A
  /// file of a checkpoint that is missing or cut off takes those of thousands.
  void tell_of_absent() {
    constexpr std::size_t kNamed = 3;
    if (absent_.size() == 1) {
      artifact_.add_gap("values of " + absent_.front(), std::string(kAbsent));
    } else if (!absent_.empty()) {
      std::string names;
      for (std::size_t i = 0; i < std::min(kNamed, absent_.size()); ++i) {
        names += (i == 0 ? "`" : ", `") + absent_[i] + "`";
      }
      if (absent_.size() > kNamed) {
        names += " and " + std::to_string(absent_.size() - kNamed) + " more";
      }
      artifact_.add_gap("values of " + std::to_string(absent_.size()) + " tensors",
                        "the file does not hold their bytes: " + names);
    }
  }

  /// After the last piece was taken: tensors whose facts follow from those of another one.
  void copy_results() {
    copy_equal_views();
    for (const Sparse& sparse : sparse_) {
      artifact_.tensors[sparse.tensor].values = sparse_facts(
          artifact_.tensors[sparse.tensor], artifact_.tensors[sparse.values], sparse.quantities);
    }
  }

 private:
  /// The next piece of the tensor. False when it cannot be inflated: the tensor is let go.
  bool fill(Piece& piece) {
    const TensorBytes& bytes = tensor_->bytes();
    piece.at = done_;
    piece.size = std::min(kPieceBytes, bytes.size - done_);
    if (bytes.streamed) {
      piece.scratch.resize(kPieceBytes);
      auto inflated = opener_.read(bytes, piece.at, piece.size, piece.scratch.data());
      if (!inflated) {
        tensor_.reset();
        refuse(id_, std::move(inflated.error()));
        return false;
      }
    }
    piece.tensor = tensor_;
    piece.id = id_;
    done_ += piece.size;
    piece.last = done_ == bytes.size;
    if (piece.last) tensor_.reset();
    return true;
  }

  void copy_equal_views() {
    for (const auto& [copy, original] : copies_) {
      if (const auto why = refused_.find(original); why != refused_.end()) {
        add_gap(artifact_.tensors[copy], why->second);
      } else {
        artifact_.tensors[copy].values = artifact_.tensors[original].values;
      }
    }
  }

  OrderedPlan order(const ValuePlan& plan, std::uint64_t ratio) {
    OrderedPlan ordered;
    std::map<TensorId, std::string_view> without_storage;
    for (const ValuePlan::Item& item : plan.items) {
      if (item.tensor >= artifact_.tensors.size()) continue;
      const Tensor& tensor = artifact_.tensors[item.tensor];
      const Quantities known = tensor.values ? tensor.values->computed : 0;
      const Quantities asked = item.quantities & ~known;
      if ((asked & kIndices) != 0) indexed_.push_back(item.tensor);
      if ((asked & ~kIndices) == 0) continue;
      if (tensor.layout == Layout::kMeta) continue;  // it has a shape and no values
      if (const std::optional<TensorId> values = values_of_sparse(artifact_, tensor)) {
        const Quantities wanted = item.quantities & kSparseQuantities;
        sparse_.push_back({item.tensor, *values, wanted});
        ordered[{*artifact_.tensors[*values].storage, *values}] |= wanted;
      } else if (const auto why = TensorOpener::without_storage(artifact_, tensor); !why.empty()) {
        without_storage.emplace(item.tensor, why);
      } else {
        ordered[{*tensor.storage, item.tensor}] |= (item.quantities | known) & ~kIndices;
      }
    }
    for (const auto& [tensor, why] : without_storage) {
      add_gap(artifact_.tensors[tensor], std::string(why));
    }
    std::optional<StorageId> last;
    for (const auto& [key, quantities] : ordered) {
      if (key.first != last) bytes_ += artifact_.storages[key.first].stored_bytes();
      last = key.first;
    }
    allowed_ = allowed_bytes(bytes_, ratio);
    return ordered;
  }

  /// The first tensor of each view is computed, for all that is asked of any of them. The uniform
  /// test depends on the name as well, so a fingerprint is never copied.
  void join_equal_views() {
    std::map<View, OrderedPlan::iterator> firsts;
    for (auto at = ordered_.begin(); at != ordered_.end();) {
      const Tensor& tensor = artifact_.tensors[at->first.second];
      const auto [found, first] = firsts.emplace(view_of(tensor), at);
      if (first || (at->second & kFingerprint & ~TensorPass::unknowable(tensor)) != 0) {
        ++at;
        continue;
      }
      found->second->second |= at->second;
      copies_.emplace_back(at->first.second, found->second->first.second);
      at = ordered_.erase(at);
    }
  }

  void begin(TensorId id, Quantities wanted) {
    const Tensor& tensor = artifact_.tensors[id];
    tl::expected<TensorBytes, std::string> bytes = opener_.open(tensor);
    if (!bytes) return refuse(id, std::move(bytes.error()));
    if (bytes->size > allowed_) {
      return refuse(id, artifact_.storages[*tensor.storage].compressed
                            ? "it inflates to more than a file of this size may (value-ratio)"
                            : "its elements name the same bytes over and over");
    }
    allowed_ -= bytes->size;
    wanted &= ~TensorPass::unknowable(tensor);
    std::vector<double> bounds;
    if ((wanted & kFingerprint) != 0) {
      if (!index_) index_.emplace(artifact_);
      bounds = candidate_bounds(tensor, *index_);
    }
    tensor_ = std::make_shared<TensorPass>(tensor, wanted, std::move(*bytes), std::move(bounds));
    id_ = id;
    done_ = 0;
  }

  void refuse(TensorId id, std::string why) {
    add_gap(artifact_.tensors[id], why);
    refused_.emplace(id, std::move(why));
  }

  void add_gap(const Tensor& tensor, std::string why) {
    if (why == kAbsent) {
      absent_.push_back(tensor.object_path);
    } else {
      artifact_.add_gap("values of " + tensor.object_path, std::move(why));
    }
  }

  Artifact& artifact_;
  TensorOpener opener_;
  std::uint64_t bytes_ = 0;
  std::uint64_t allowed_ = 0;  ///< logical bytes that may still be walked
  std::vector<Sparse> sparse_;  ///< found while the plan is put in order
  std::vector<TensorId> indexed_;
  OrderedPlan ordered_;
  std::vector<std::pair<TensorId, Quantities>> turns_;  ///< what is computed, in this order
  std::size_t at_ = 0;
  std::vector<std::pair<TensorId, TensorId>> copies_;  ///< copy, original
  std::map<TensorId, std::string> refused_;  ///< why they could not be read
  std::vector<std::string> absent_;  ///< paths of tensors whose bytes are not in the file
  std::optional<TensorIndex> index_;

  std::shared_ptr<TensorPass> tensor_;  ///< of which pieces are left
  TensorId id_ = 0;
  std::uint64_t done_ = 0;
};

void take(Artifact& artifact, Piece& piece) {
  piece.tensor->take(piece);
  if (piece.last) artifact.tensors[piece.id].values = piece.tensor->finish();
  piece.tensor.reset();
}

}  // namespace

void compute_values(Artifact& artifact, const ValuePlan& plan, const Limits& limits,
                    unsigned threads) {
  Feeder feeder(artifact, plan, limits);
  run_pieces<Piece>(
      feeder.bytes(), threads, [&](Piece& piece) { return feeder.next(piece); },
      [](Piece& piece) { piece.tensor->look_at(piece); },
      [&](Piece& piece) { take(artifact, piece); });
  feeder.copy_results();
  feeder.tell_of_absent();
  feeder.tell_of_storages();
  check_indices(artifact, feeder.indexed(), limits);
}

}  // namespace torchvet
