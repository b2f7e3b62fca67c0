// The value pass: for each tensor that a rule asked about, one walk over its logical values that
// feeds every accumulator it needs. Tensors are taken storage by storage, so that a deflated
// storage is inflated once and let go before the next one.
//
// What a hostile file could make expensive: many tensors that view the same bytes, and views with
// stride 0 that name one element a billion times. Equal views are computed once and copied; the
// logical bytes of all the others together may not exceed a multiple of the bytes that are really
// there (`Limits::value_ratio`), beyond which tensors are left as gaps.
#include "values/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "core/checked.h"
#include "values/inflate.h"
#include "values/init_bounds.h"
#include "values/init_fingerprint.h"
#include "values/logical_bytes.h"
#include "values/moments.h"
#include "values/rows.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kFreeBytes = 256ull << 20;  ///< below this no view is called too costly

/// Everything the values of a tensor depend on, apart from its name.
using View = std::tuple<StorageId, DType, std::int64_t, std::vector<std::int64_t>,
                        std::vector<std::int64_t>, bool, bool>;

View view_of(const Tensor& tensor) {
  return {*tensor.storage, tensor.dtype,     tensor.storage_offset, tensor.shape,
          tensor.strides,  tensor.conjugate, tensor.negative};
}

/// The plan without repetitions, ordered by storage: (storage, tensor) -> quantities.
using OrderedPlan = std::map<std::pair<StorageId, TensorId>, Quantities>;

class ValuePass {
 public:
  ValuePass(Artifact& artifact, const Limits& limits) : artifact_(artifact), limits_(limits) {}

  void run(const ValuePlan& plan) {
    const OrderedPlan ordered = order(plan);
    for (auto at = ordered.begin(); at != ordered.end();) {
      const StorageId id = at->first.first;
      const Result<ByteView> bytes = open(artifact_.storages[id]);
      std::map<View, TensorId> done;
      for (; at != ordered.end() && at->first.first == id; ++at) {
        Tensor& tensor = artifact_.tensors[at->first.second];
        if (!bytes) {
          skip(tensor, bytes.error().detail);
        } else {
          one(at->first.second, at->second, *bytes, artifact_.storages[id].big_endian, done);
        }
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
        ordered[{*tensor.storage, item.tensor}] |= item.quantities;
      }
    }
    for (const auto& [tensor, why] : without_storage) {
      skip(artifact_.tensors[tensor], std::string(why));
    }
    std::optional<StorageId> last;
    for (const auto& [key, quantities] : ordered) {
      if (key.first != last) allowed_ += artifact_.storages[key.first].bytes.size();
      last = key.first;
    }
    allowed_ = checked_mul(allowed_, limits_.value_ratio).value_or(UINT64_MAX);
    allowed_ = std::max(allowed_, kFreeBytes);
    return ordered;
  }

  Result<ByteView> open(const Storage& storage) {
    if (!storage.present) {
      return fail(ErrorCode::kStorageMissing, 0, "the file does not hold its bytes");
    }
    if (!storage.compressed) return storage.bytes;
    if (!storage.member || *storage.member >= artifact_.members.size()) {
      return fail(ErrorCode::kStorageBadReference, storage.bytes.offset(),
                  "its compressed bytes belong to no archive member");
    }
    return inflate_member(storage.bytes, artifact_.members[*storage.member], limits_, inflated_);
  }

  void one(TensorId id, Quantities wanted, ByteView bytes, bool big_endian,
           std::map<View, TensorId>& done) {
    Tensor& tensor = artifact_.tensors[id];
    const std::uint64_t item = item_size(tensor.dtype);
    const std::optional<std::uint64_t> reached = tensor.elements_reached();
    const std::optional<std::uint64_t> needed = reached ? checked_mul(*reached, item) : reached;
    const std::optional<std::uint64_t> count = tensor.element_count();
    if (item == 0 || !needed || !count)
      return skip(tensor, "its element type or its shape makes no sense");
    if (*needed > bytes.size()) {
      return skip(tensor,
                  fmt::format("it reaches {} bytes into a storage of {}", *needed, bytes.size()));
    }
    const auto [twin, first] = done.emplace(view_of(tensor), id);
    // The uniform test depends on the name as well, so a fingerprint is never copied.
    if (!first && (wanted & kFingerprint) == 0) {
      const Tensor& other = artifact_.tensors[twin->second];
      if (other.values && (wanted & ~other.values->computed & ~unknowable(tensor)) == 0) {
        tensor.values = other.values;
        return;
      }
    }
    const std::optional<std::uint64_t> size = checked_mul(*count, item);
    if (!size || *size > allowed_) {
      return skip(tensor, fmt::format("its {} elements name the same bytes over and over", *count));
    }
    allowed_ -= *size;
    compute(tensor, wanted | (tensor.values ? tensor.values->computed : 0), *count, bytes,
            big_endian);
  }

  /// Quantities that this type of element does not have.
  static Quantities unknowable(const Tensor& tensor) {
    Quantities none = 0;
    if (!make_moments(tensor.dtype)) none |= kMoments;
    if (tensor.dtype != DType::kFloat32) none |= kFingerprint;
    if (!RowTest::make(tensor)) none |= kRows;
    return none;
  }

  void compute(Tensor& tensor, Quantities wanted, std::uint64_t count, ByteView bytes,
               bool big_endian) {
    ValueFacts facts;
    facts.count = count;
    facts.computed = wanted & ~unknowable(tensor);
    std::optional<Digester> digester;
    if ((facts.computed & kDigest) != 0) digester.emplace();
    const std::unique_ptr<Moments> moments =
        (facts.computed & kMoments) != 0 ? make_moments(tensor.dtype) : nullptr;
    std::optional<InitFingerprintTest> fingerprint;
    if ((facts.computed & kFingerprint) != 0) {
      if (!index_) index_.emplace(artifact_);
      fingerprint.emplace(count, candidate_bounds(tensor, *index_));
    }
    const std::unique_ptr<RowTest> rows =
        (facts.computed & kRows) != 0 ? RowTest::make(tensor) : nullptr;
    for_each_block(tensor, bytes, big_endian, [&](const std::uint8_t* block, std::uint64_t size) {
      if (digester) digester->update(block, size);
      if (moments) moments->update(block, size);
      if (fingerprint) fingerprint->update(block, size);
      if (rows) rows->update(block, size);
    });
    if (digester) facts.digest = digester->finish();
    if (moments) moments->finish(facts);
    if (fingerprint) facts.fingerprint = fingerprint->finish();
    if (rows) rows->finish(facts);
    tensor.values = facts;
  }

  void skip(const Tensor& tensor, std::string why) {
    artifact_.add_gap("values of " + tensor.object_path, std::move(why));
  }

  Artifact& artifact_;
  const Limits& limits_;
  std::string inflated_;
  std::uint64_t allowed_ = 0;  ///< logical bytes that may still be walked
  std::optional<TensorIndex> index_;
};

}  // namespace

void compute_values(Artifact& artifact, const ValuePlan& plan, const Limits& limits) {
  ValuePass(artifact, limits).run(plan);
}

}  // namespace torchvet
