// The value pass: every tensor that a rule asked about is cut into pieces, and the pieces of all of
// them flow through one pipeline. The first stage hands them out in the order of the storages, so
// that each byte is read once and a deflated storage is inflated once and let go when its last
// piece is through; the second, on as many threads as there are, looks at the numbers; the third
// takes the results together in the order of the pieces, and feeds what needs that order (digests,
// rows), while the bytes are still in the cache. So the facts are the same whatever the number of
// threads, and the memory is bounded by the number of pieces in flight.
//
// What a hostile file could make expensive: many tensors that view the same bytes, and views with
// stride 0 that name one element a billion times. Equal views are computed once and copied; the
// logical bytes of all the others together may not exceed a multiple of the bytes that are really
// there (`Limits::value_ratio`), beyond which tensors are left as gaps.
#include "values/values.h"

#include <fmt/format.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "values/inflate.h"
#include "values/init_bounds.h"
#include "values/tensor_pass.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kFreeBytes = 256ull << 20;  ///< below this no view is called too costly
constexpr std::uint64_t kAloneBytes = 1ull << 20;   ///< less is not worth waking other threads
constexpr std::size_t kMostInFlight = 64;

/// Everything the values of a tensor depend on, apart from its name.
using View = std::tuple<StorageId, DType, std::int64_t, std::vector<std::int64_t>,
                        std::vector<std::int64_t>, bool, bool>;

View view_of(const Tensor& tensor) {
  return {*tensor.storage, tensor.dtype,     tensor.storage_offset, tensor.shape,
          tensor.strides,  tensor.conjugate, tensor.negative};
}

/// The plan without repetitions, ordered by storage: (storage, tensor) -> quantities.
using OrderedPlan = std::map<std::pair<StorageId, TensorId>, Quantities>;

/// Hands out the pieces. Leaves gaps for tensors that cannot be read.
class Feeder {
 public:
  Feeder(Artifact& artifact, const ValuePlan& plan, const Limits& limits)
      : artifact_(artifact), limits_(limits), ordered_(order(plan)), at_(ordered_.begin()) {
    join_equal_views();
  }

  /// The most that there is to read.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// False when there is nothing left.
  bool next(Piece& piece) {
    while (!tensor_) {
      if (at_ == ordered_.end()) return false;
      begin(at_->first.second, at_->second);
      ++at_;
    }
    piece.tensor = tensor_;
    piece.id = id_;
    piece.at = done_;
    piece.size = std::min(kPieceBytes, tensor_->size() - done_);
    done_ += piece.size;
    piece.last = done_ == tensor_->size();
    if (piece.last) tensor_.reset();
    return true;
  }

  /// After the last piece was taken: tensors that view the same values as another one.
  void copy_equal_views() const {
    for (const auto& [copy, original] : copies_) {
      if (const auto why = refused_.find(original); why != refused_.end()) {
        add_gap(artifact_.tensors[copy], why->second);
      } else {
        artifact_.tensors[copy].values = artifact_.tensors[original].values;
      }
    }
  }

 private:
  OrderedPlan order(const ValuePlan& plan) {
    OrderedPlan ordered;
    std::map<TensorId, std::string_view> without_storage;
    for (const ValuePlan::Item& item : plan.items) {
      if (item.tensor >= artifact_.tensors.size()) continue;
      const Tensor& tensor = artifact_.tensors[item.tensor];
      const Quantities known = tensor.values ? tensor.values->computed : 0;
      if ((item.quantities & ~known) == 0) continue;
      if (tensor.layout == Layout::kMeta) continue;  // it has a shape and no values
      if (tensor.layout != Layout::kStrided) {
        without_storage.emplace(item.tensor, "its layout is not strided");
      } else if (!tensor.storage || *tensor.storage >= artifact_.storages.size()) {
        without_storage.emplace(item.tensor, "it has no storage");
      } else {
        ordered[{*tensor.storage, item.tensor}] |= item.quantities | known;
      }
    }
    for (const auto& [tensor, why] : without_storage) {
      add_gap(artifact_.tensors[tensor], std::string(why));
    }
    std::optional<StorageId> last;
    for (const auto& [key, quantities] : ordered) {
      if (key.first != last) bytes_ += artifact_.storages[key.first].bytes.size();
      last = key.first;
    }
    allowed_ = std::max(checked_mul(bytes_, limits_.value_ratio).value_or(UINT64_MAX), kFreeBytes);
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
    Tensor& tensor = artifact_.tensors[id];
    const Storage& storage = artifact_.storages[*tensor.storage];
    if (!opened_ || *opened_ != *tensor.storage) {
      opened_ = *tensor.storage;
      open_ = open(storage);
    }
    if (!open_) return refuse(id, open_.error().detail);
    const std::uint64_t item = item_size(tensor.dtype);
    const std::optional<Tensor> bytes = as_bytes_lie(tensor);
    const std::optional<std::uint64_t> reached = bytes ? bytes->elements_reached() : std::nullopt;
    const std::optional<std::uint64_t> needed = reached ? checked_mul(*reached, item) : reached;
    const std::optional<std::uint64_t> count = bytes ? bytes->element_count() : std::nullopt;
    if (item == 0 || !needed || !count) {
      return refuse(id, "its element type or its shape makes no sense");
    }
    if (*needed > open_->size()) {
      return refuse(
          id, fmt::format("it reaches {} bytes into a storage of {}", *needed, open_->size()));
    }
    const std::uint64_t size = checked_mul(*count, item).value_or(UINT64_MAX);
    if (size > allowed_) return refuse(id, "its elements name the same bytes over and over");
    allowed_ -= size;
    wanted &= ~TensorPass::unknowable(tensor);
    std::vector<double> bounds;
    if ((wanted & kFingerprint) != 0) {
      if (!index_) index_.emplace(artifact_);
      bounds = candidate_bounds(tensor, *index_);
    }
    tensor_ = std::make_shared<TensorPass>(tensor, wanted, *open_, storage.big_endian,
                                           std::move(bounds), inflated_);
    id_ = id;
    done_ = 0;
  }

  Result<ByteView> open(const Storage& storage) {
    inflated_.reset();
    if (!storage.present) {
      return fail(ErrorCode::kStorageMissing, 0, "the file does not hold its bytes");
    }
    if (!storage.compressed) return storage.bytes;
    if (!storage.member || *storage.member >= artifact_.members.size()) {
      return fail(ErrorCode::kStorageBadReference, storage.bytes.offset(),
                  "its compressed bytes belong to no archive member");
    }
    const auto buffer = std::make_shared<std::string>();
    inflated_ = buffer;
    return inflate_member(storage.bytes, artifact_.members[*storage.member], limits_, *buffer);
  }

  void refuse(TensorId id, std::string why) {
    add_gap(artifact_.tensors[id], why);
    refused_.emplace(id, std::move(why));
  }

  void add_gap(const Tensor& tensor, std::string why) const {
    artifact_.add_gap("values of " + tensor.object_path, std::move(why));
  }

  Artifact& artifact_;
  const Limits& limits_;
  std::uint64_t bytes_ = 0;
  std::uint64_t allowed_ = 0;  ///< logical bytes that may still be walked
  OrderedPlan ordered_;
  OrderedPlan::const_iterator at_;
  std::vector<std::pair<TensorId, TensorId>> copies_;  ///< copy, original
  std::map<TensorId, std::string> refused_;            ///< why they could not be read
  std::optional<TensorIndex> index_;

  std::optional<StorageId> opened_;
  Result<ByteView> open_;
  std::shared_ptr<const std::string> inflated_;

  std::shared_ptr<TensorPass> tensor_;  ///< of which pieces are left
  TensorId id_ = 0;
  std::uint64_t done_ = 0;
};

void take(Artifact& artifact, Piece& piece) {
  piece.tensor->take(piece);
  if (piece.last) artifact.tensors[piece.id].values = piece.tensor->finish();
  piece.tensor.reset();
}

void run_alone(Artifact& artifact, Feeder& feeder) {
  Piece piece;
  while (feeder.next(piece)) {
    piece.tensor->look_at(piece);
    take(artifact, piece);
  }
}

void run_pipeline(Artifact& artifact, Feeder& feeder, std::size_t threads) {
  namespace tbb = oneapi::tbb;
  std::mutex mutex;  // guards what is free
  const std::size_t in_flight = std::min(2 * threads, kMostInFlight);
  std::vector<Piece> pieces(in_flight);
  std::vector<Piece*> free;
  for (Piece& piece : pieces) free.push_back(&piece);
  const auto hand_out = [&](tbb::flow_control& control) -> Piece* {
    Piece* piece = nullptr;
    {
      const std::lock_guard lock(mutex);
      piece = free.back();
      free.pop_back();
    }
    if (!feeder.next(*piece)) control.stop();
    return piece;
  };
  const auto look = [](Piece* piece) {
    piece->tensor->look_at(*piece);
    return piece;
  };
  const auto take_back = [&](Piece* piece) {
    take(artifact, *piece);
    const std::lock_guard lock(mutex);
    free.push_back(piece);
  };
  tbb::parallel_pipeline(
      in_flight, tbb::make_filter<void, Piece*>(tbb::filter_mode::serial_in_order, hand_out) &
                     tbb::make_filter<Piece*, Piece*>(tbb::filter_mode::parallel, look) &
                     tbb::make_filter<Piece*, void>(tbb::filter_mode::serial_in_order, take_back));
}

}  // namespace

void compute_values(Artifact& artifact, const ValuePlan& plan, const Limits& limits,
                    unsigned threads) {
  Feeder feeder(artifact, plan, limits);
  // oneTBB writes to standard error when it is asked for more than there are.
  const std::size_t processors =
      static_cast<std::size_t>(oneapi::tbb::this_task_arena::max_concurrency());
  const std::size_t most = threads == 0 ? processors : std::min<std::size_t>(threads, processors);
  if (most == 1 || feeder.bytes() < kAloneBytes) {
    run_alone(artifact, feeder);
  } else {
    oneapi::tbb::task_arena arena(static_cast<int>(most));
    arena.execute([&] { run_pipeline(artifact, feeder, most); });
  }
  feeder.copy_equal_views();
}

}  // namespace torchvet
