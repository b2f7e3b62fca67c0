// The pair pass: what became of each tensor of a model from one checkpoint to the next. Both copies
// of a tensor are walked side by side in logical order, so that a transposed view is compared with
// the contiguous copy that a later checkpoint holds. One look at a piece of each tells everything
// that a series asks: whether any bit differs, how many numbers are not finite, and the sums
// |a|^2, |b|^2, |b - a|^2 and a.b, from which the relative update, the growth and the cosine
// follow.
//
// The pieces of all tensors flow through the pipeline of piece_pipeline.h, as in the value pass
// (values.cpp). A thread leaves the sums of its piece block by block; they are added in the order
// of the elements. So the result depends neither on the number of threads nor on the size of a
// piece.
//
// Hostile files: equal views are compared once, and the logical bytes of all pairs together are
// bounded as those of the value pass are.
#include "values/compare.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "values/compare_kernels.h"
#include "values/numbers.h"
#include "values/piece_pipeline.h"
#include "values/reading_order.h"
#include "values/tensor_bytes.h"

namespace torchvet {
namespace {

/// Two copies of a tensor on their way through the pass.
struct OpenPair {
  DType dtype;
  TensorBytes before, after;
  ChangeFacts* change;
};

/// The same part of both copies, and what was found in it. Used again and again.
struct PairPiece {
  std::shared_ptr<const OpenPair> tensor;
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  std::vector<std::uint8_t> before_scratch, after_scratch;

  bool same = true;
  std::uint64_t not_finite = 0;
  std::vector<PairFacts> blocks;
};

/// What is streamed lies in the scratch already.
const std::uint8_t* read(const TensorBytes& tensor, const PairPiece& piece,
                         std::vector<std::uint8_t>& scratch) {
  if (tensor.streamed) return scratch.data();
  if (tensor.logical.gathers()) scratch.resize(kPieceBytes);
  return tensor.logical.read(piece.at, piece.size, scratch.data());
}

/// Thread-safe.
void look_at(PairPiece& piece) {
  const DType dtype = piece.tensor->dtype;
  const std::uint8_t* before = read(piece.tensor->before, piece, piece.before_scratch);
  const std::uint8_t* after = read(piece.tensor->after, piece, piece.after_scratch);
  piece.blocks.clear();
  if (!has_pair_sums(dtype)) {
    Numbers numbers;
    count_numbers(dtype, after, piece.size, /*sums=*/false, numbers);
    piece.not_finite = numbers.nan + numbers.positive_infinity + numbers.negative_infinity;
    piece.same = std::memcmp(before, after, piece.size) == 0;
    return;
  }
  piece.not_finite = 0;
  piece.same = true;
  const std::uint64_t block_bytes = kPairBlock * item_size(dtype);
  for (std::uint64_t at = 0; at < piece.size; at += block_bytes) {
    const std::uint64_t size = std::min(block_bytes, piece.size - at);
    const PairBlock block = look_at_pairs(dtype, before + at, after + at, size);
    piece.blocks.push_back(block.sums);
    piece.not_finite += block.not_finite;
    // Numbers that differ show in the sum. Without one the bits may still do: those of -0 and 0, of
    // what is not finite, of float64 so close that the square is 0.
    piece.same = piece.same && !(block.sums.difference_squared > 0) &&
                 std::memcmp(before + at, after + at, size) == 0;
  }
}

/// To be called for one piece after the other.
void take(PairPiece& piece) {
  ChangeFacts& change = *piece.tensor->change;
  change.same = change.same && piece.same;
  change.not_finite += piece.not_finite;
  for (const PairFacts& block : piece.blocks) {
    if (!change.sums) change.sums.emplace();
    change.sums->add(block);
  }
  piece.tensor.reset();
}

/// Hands out the pieces of the pairs, in the order of the storages of the later checkpoint.
class PairFeeder {
 public:
  PairFeeder(const Artifact& before, const Artifact& after, const std::vector<TensorPair>& pairs,
             const Limits& limits)
      : before_(before),
        after_(after),
        before_opener_(before, limits),
        after_opener_(after, limits) {
    std::map<std::pair<View, View>, TensorPair> firsts;
    for (const TensorPair& pair : pairs) {
      if (pair.before >= before.tensors.size() || pair.after >= after.tensors.size()) continue;
      const Tensor &old_tensor = before.tensors[pair.before], &tensor = after.tensors[pair.after];
      if (old_tensor.dtype != tensor.dtype || old_tensor.shape != tensor.shape) continue;
      const auto [found, first] =
          firsts.emplace(std::pair(view_of(tensor), view_of(old_tensor)), pair);
      if (!first) copies_.emplace_back(pair, found->second);
    }
    std::set<StorageId> old_storages, storages;
    std::vector<TensorPair> different;
    std::vector<TensorId> tensors;
    for (const auto& [views, pair] : firsts) {
      different.push_back(pair);
      tensors.push_back(pair.after);
      bytes_ += stored(after, std::get<0>(views.first), storages) +
                stored(before, std::get<0>(views.second), old_storages);
    }
    for (const std::size_t position : reading_order(after, tensors)) {
      ordered_.push_back(different[position]);
    }
    allowed_ = allowed_bytes(bytes_, limits.value_ratio);
  }

  /// The most that there is to read.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// False when there is nothing left.
  bool next(PairPiece& piece) {
    while (true) {
      if (!open_) {
        if (at_ == ordered_.size()) return false;
        begin(ordered_[at_++]);
      } else if (fill(piece)) {
        return true;
      }
    }
  }

  /// After the last piece was taken: what the deflated storages of the two hide behind their tensors.
  void tell_of_storages(Artifact& before, Artifact& after) {
    before_opener_.tell(before);
    after_opener_.tell(after);
  }

  /// After the last piece was taken.
  [[nodiscard]] Changes changes() && {
    for (const TensorPair& pair : broken_) changes_.erase(pair);
    for (const auto& [copy, original] : copies_) {
      if (const auto found = changes_.find(original); found != changes_.end()) {
        changes_.emplace(copy, found->second);
      }
    }
    return std::move(changes_);
  }

 private:
  /// Bytes of a storage that is asked for the first time.
  static std::uint64_t stored(const Artifact& artifact, const std::optional<StorageId>& id,
                              std::set<StorageId>& seen) {
    const bool counts = id && *id < artifact.storages.size() && seen.insert(*id).second;
    return counts ? artifact.storages[*id].stored_bytes() : 0;
  }

  /// The next piece of the pair. False when one of the two cannot be inflated: nothing is known of
  /// the pair then.
  bool fill(PairPiece& piece) {
    piece.at = done_;
    piece.size = std::min(kPieceBytes, open_->after.size - done_);
    if (!inflate(before_opener_, open_->before, piece, piece.before_scratch) ||
        !inflate(after_opener_, open_->after, piece, piece.after_scratch)) {
      broken_.push_back(pair_);
      open_.reset();
      return false;
    }
    piece.tensor = open_;
    done_ += piece.size;
    if (done_ == open_->after.size) open_.reset();
    return true;
  }

  static bool inflate(TensorOpener& opener, const TensorBytes& tensor, const PairPiece& piece,
                      std::vector<std::uint8_t>& scratch) {
    if (!tensor.streamed) return true;
    scratch.resize(kPieceBytes);
    return opener.read(tensor, piece.at, piece.size, scratch.data()).has_value();
  }

  void begin(const TensorPair& pair) {
    const Tensor& tensor = after_.tensors[pair.after];
    tl::expected<TensorBytes, std::string> after = after_opener_.open(tensor);
    if (!after || after->size > allowed_) return;
    tl::expected<TensorBytes, std::string> before =
        before_opener_.open(before_.tensors[pair.before]);
    if (!before || before->size != after->size) return;
    allowed_ -= after->size;
    open_ = std::make_shared<OpenPair>(
        OpenPair{tensor.dtype, std::move(*before), std::move(*after), &changes_[pair]});
    pair_ = pair;
    done_ = 0;
  }

  const Artifact& before_;
  const Artifact& after_;
  TensorOpener before_opener_, after_opener_;
  std::uint64_t bytes_ = 0;
  std::uint64_t allowed_ = 0;  ///< logical bytes of each copy that may still be walked
  std::vector<TensorPair> ordered_;
  std::vector<std::pair<TensorPair, TensorPair>> copies_;  ///< copy, original
  Changes changes_;

  std::size_t at_ = 0;
  std::shared_ptr<const OpenPair> open_;  ///< of which pieces are left
  TensorPair pair_;
  std::vector<TensorPair> broken_;  ///< not to be read to their ends
  std::uint64_t done_ = 0;
};

}  // namespace

Changes compare_values(Artifact& before, Artifact& after,
                       const std::vector<TensorPair>& pairs, const Limits& limits,
                       unsigned threads) {
  PairFeeder feeder(before, after, pairs, limits);
  run_pieces<PairPiece>(
      feeder.bytes(), threads, [&](PairPiece& piece) { return feeder.next(piece); }, look_at, take);
  feeder.tell_of_storages(before, after);
  return std::move(feeder).changes();
}

}  // namespace torchvet
