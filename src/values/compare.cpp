// One walk over two tensors at once: |a|^2, |b|^2, |b - a|^2 and a.b, from which the relative
// update, the growth and the cosine of a series follow. The tensors are read piece by piece in
// logical order, so that a transposed view is compared with the contiguous copy that a later
// checkpoint holds.
#include "values/compare.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/checked.h"
#include "values/compare_kernels.h"
#include "values/logical_bytes.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kPieceBytes = 64ull * 1024;  ///< two of them stay in the first caches

/// The values of a tensor, when all of them lie uncompressed in the file.
std::optional<LogicalBytes> values_of(const Artifact& artifact, const Tensor& tensor) {
  if (tensor.layout != Layout::kStrided || !tensor.storage ||
      *tensor.storage >= artifact.storages.size())
    return std::nullopt;
  const Storage& storage = artifact.storages[*tensor.storage];
  const std::optional<std::uint64_t> reached = tensor.elements_reached();
  const std::optional<std::uint64_t> needed =
      reached ? checked_mul(*reached, item_size(tensor.dtype)) : reached;
  const bool whole =
      storage.present && !storage.compressed && needed && *needed <= storage.bytes.size();
  if (!whole) return std::nullopt;
  return LogicalBytes(tensor, storage.bytes, storage.big_endian);
}

}  // namespace

std::optional<PairFacts> compare_values(const Artifact& before, TensorId before_id,
                                        const Artifact& after, TensorId after_id) {
  const Tensor &old_tensor = before.tensors[before_id], &new_tensor = after.tensors[after_id];
  if (old_tensor.dtype != new_tensor.dtype || old_tensor.shape != new_tensor.shape ||
      !comparable(old_tensor.dtype) || old_tensor.element_count().value_or(0) == 0)
    return std::nullopt;
  const std::optional<LogicalBytes> old_bytes = values_of(before, old_tensor);
  const std::optional<LogicalBytes> new_bytes = values_of(after, new_tensor);
  if (!old_bytes || !new_bytes || old_bytes->size() != new_bytes->size()) return std::nullopt;
  std::vector<std::uint8_t> old_scratch(old_bytes->gathers() ? kPieceBytes : 0);
  std::vector<std::uint8_t> new_scratch(new_bytes->gathers() ? kPieceBytes : 0);
  PairFacts sums;
  for (std::uint64_t at = 0; at < old_bytes->size(); at += kPieceBytes) {
    const std::uint64_t size = std::min(kPieceBytes, old_bytes->size() - at);
    add_pairs(old_tensor.dtype, old_bytes->read(at, size, old_scratch.data()),
              new_bytes->read(at, size, new_scratch.data()), size, sums);
  }
  return sums;
}

}  // namespace torchvet
