#include "model/tensor_overlap.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/checked.h"
#include "model/optimizer_alignment.h"
#include "model/storage_reach.h"

// A strided tensor is a set of pieces of memory: its innermost dimensions often form one, the
// others repeat it. Written down as sorted ranges, two sets are compared in one walk. Two
// parameters in one storage may be the same set (tied), one inside the other (a slice that is used
// on its own) or apart (a flat storage): all of these are made on purpose. Sets that cut each other
// are not: a wrong offset or length when a flat storage was divided.
namespace torchvet {
namespace {

constexpr std::uint64_t kMostPieces = 1u << 16;       // of one tensor
constexpr std::uint64_t kMostPiecesInAll = 1u << 20;  // that are kept
constexpr std::uint64_t kMostSteps = 1u << 24;        // of all walks over two of them

struct Piece {
  std::uint64_t begin = 0, end = 0;  ///< bytes of the root
};

struct Region {
  Trainable tensor;
  std::vector<Piece> pieces;  ///< sorted, apart from each other
  std::uint64_t bytes = 0;
};

struct Dimension {
  std::uint64_t size = 0, stride = 0;
};

/// The dimensions that move, from the widest stride to the narrowest, joined where one continues
/// the other.
std::vector<Dimension> dimensions_of(const Tensor& tensor) {
  std::vector<Dimension> all;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 1 || tensor.strides[i] == 0) continue;
    all.push_back({static_cast<std::uint64_t>(tensor.shape[i]),
                   static_cast<std::uint64_t>(tensor.strides[i])});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Dimension& a, const Dimension& b) { return a.stride > b.stride; });
  std::vector<Dimension> joined;
  for (const Dimension& inner : all) {
    const auto extent = checked_mul(inner.size, inner.stride);
    if (!joined.empty() && extent == joined.back().stride) {
      joined.back() = {joined.back().size * inner.size, inner.stride};
    } else {
      joined.push_back(inner);
    }
  }
  return joined;
}

void join(std::vector<Piece>& pieces) {
  const auto before = [](const Piece& a, const Piece& b) { return a.begin < b.begin; };
  if (!std::is_sorted(pieces.begin(), pieces.end(), before)) {
    std::sort(pieces.begin(), pieces.end(), before);
  }
  std::size_t kept = 0;
  for (const Piece& piece : pieces) {
    if (kept > 0 && piece.begin <= pieces[kept - 1].end) {
      pieces[kept - 1].end = std::max(pieces[kept - 1].end, piece.end);
    } else {
      pieces[kept++] = piece;
    }
  }
  pieces.resize(kept);
}

/// Nothing for what is no strided view of known bytes, is empty, or has too many pieces.
std::optional<Region> region_of(const Artifact& artifact, const Trainable& trainable,
                                const StoragePlace& place, std::uint64_t pieces_left) {
  const Tensor& tensor = artifact.tensors[trainable.tensor];
  const std::uint64_t item = item_size(tensor.dtype);
  const std::optional<std::uint64_t> last = tensor.elements_reached();
  const auto bytes = last ? checked_mul(*last, item) : std::nullopt;
  // What reaches past its storage is another rule's matter; below, nothing overflows.
  if (tensor.layout != Layout::kStrided || !bytes || *bytes == 0) return std::nullopt;
  if (*bytes > INT64_MAX) return std::nullopt;
  if (*bytes > artifact.storages[*tensor.storage].declared_bytes) return std::nullopt;
  if (!checked_add(*bytes, place.begin)) return std::nullopt;

  std::vector<Dimension> dimensions = dimensions_of(tensor);
  std::uint64_t length = item;
  if (!dimensions.empty() && dimensions.back().stride == 1) {
    length = dimensions.back().size * item;
    dimensions.pop_back();
  }
  std::uint64_t count = 1;
  for (const Dimension& dimension : dimensions) {
    const auto next = checked_mul(count, dimension.size);
    if (!next || *next > std::min(kMostPieces, pieces_left)) return std::nullopt;
    count = *next;
  }
  Region region{trainable, {}};
  region.pieces.reserve(static_cast<std::size_t>(count));
  std::vector<std::uint64_t> index(dimensions.size(), 0);
  std::uint64_t at = place.begin + static_cast<std::uint64_t>(tensor.storage_offset) * item;
  for (std::uint64_t i = 0; i < count; ++i) {
    region.pieces.push_back({at, at + length});
    for (std::size_t d = dimensions.size(); d-- > 0;) {
      at += dimensions[d].stride * item;
      if (++index[d] < dimensions[d].size) break;
      at -= dimensions[d].size * dimensions[d].stride * item;
      index[d] = 0;
    }
  }
  join(region.pieces);
  for (const Piece& piece : region.pieces) region.bytes += piece.end - piece.begin;
  return region;
}

std::uint64_t shared_bytes(const Region& a, const Region& b) {
  std::uint64_t shared = 0;
  for (std::size_t i = 0, j = 0; i < a.pieces.size() && j < b.pieces.size();) {
    const std::uint64_t begin = std::max(a.pieces[i].begin, b.pieces[j].begin);
    const std::uint64_t end = std::min(a.pieces[i].end, b.pieces[j].end);
    if (begin < end) shared += end - begin;
    if (a.pieces[i].end < b.pieces[j].end) {
      ++i;
    } else {
      ++j;
    }
  }
  return shared;
}

void compare(std::vector<Region>& regions, StorageId root, std::uint64_t& steps,
             std::vector<PartialOverlap>& found) {
  bool any = false;
  std::stable_sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) {
    return a.pieces.front().begin < b.pieces.front().begin;
  });
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const Region& first = regions[i];
    for (std::size_t j = i + 1; j < regions.size(); ++j) {
      const Region& second = regions[j];
      if (second.pieces.front().begin >= first.pieces.back().end) break;
      steps += first.pieces.size() + second.pieces.size();
      if (steps > kMostSteps) return;
      const std::uint64_t shared = shared_bytes(first, second);
      if (shared == 0 || shared == first.bytes || shared == second.bytes) continue;
      if (std::exchange(any, true)) {
        ++found.back().pairs;
        continue;
      }
      found.push_back(
          {first.tensor, second.tensor, shared, first.bytes - shared, second.bytes - shared, root});
    }
  }
}

/// A parameter's name as torch.nn spells it.
bool named_like_parameter(std::string_view name) {
  const std::string_view leaf = leaf_of(name);
  return leaf.starts_with("weight") || leaf.starts_with("bias") || leaf.starts_with("in_proj_");
}

}  // namespace

std::vector<Trainable> trainable_tensors(const Artifact& artifact) {
  std::map<TensorId, bool> found;
  for (const Module& module : artifact.modules) {
    if (module.registration != Registration::kRegistered) continue;
    for (const ModuleTensor& parameter : module.parameters) {
      if (!parameter.tensor || !artifact.tensors[*parameter.tensor].requires_grad) continue;
      found[*parameter.tensor] = true;
    }
  }
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const AlignedParameter& listed : align_optimizer(artifact, optimizer).parameters) {
      if (listed.parameter) found[listed.parameter->tensor] = true;
    }
  }
  if (artifact.modules.empty()) {
    for (const StateDict& state : artifact.state_dicts) {
      for (const StateEntry& entry : state.entries) {
        const DType dtype = artifact.tensors[entry.tensor].dtype;
        if (!is_floating_point(dtype) || is_buffer_like(entry.name)) continue;
        if (named_like_parameter(entry.name)) found.emplace(entry.tensor, false);
      }
    }
  }
  std::vector<Trainable> trainable;
  for (const auto& [tensor, certain] : found) trainable.push_back({tensor, certain});
  return trainable;
}

Overlaps find_overlaps(const Artifact& artifact) {
  Overlaps overlaps;
  const std::vector<StoragePlace> places = storage_places(artifact);
  std::map<StorageId, std::vector<Region>> by_root;
  std::uint64_t pieces_left = kMostPiecesInAll;
  for (const Trainable& trainable : trainable_tensors(artifact)) {
    const Tensor& tensor = artifact.tensors[trainable.tensor];
    if (!tensor.storage) continue;
    const StoragePlace& place = places[*tensor.storage];
    std::optional<Region> region = region_of(artifact, trainable, place, pieces_left);
    if (!region) continue;
    const std::uint64_t elements = tensor.element_count().value_or(0);
    const std::uint64_t distinct = region->bytes / item_size(tensor.dtype);
    if (distinct < elements) {
      bool expanded = false;
      for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        expanded = expanded || (tensor.shape[i] > 1 && tensor.strides[i] == 0);
      }
      overlaps.within.push_back({trainable, elements, distinct, expanded});
    }
    pieces_left -= std::min<std::uint64_t>(pieces_left, region->pieces.size());
    by_root[place.root].push_back(std::move(*region));
  }
  std::uint64_t steps = 0;
  for (auto& [root, regions] : by_root) {
    if (regions.size() > 1) compare(regions, root, steps, overlaps.between);
  }
  return overlaps;
}

}  // namespace torchvet
