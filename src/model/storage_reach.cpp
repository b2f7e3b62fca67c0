#include "model/storage_reach.h"

#include <algorithm>
#include <functional>
#include <tuple>

#include "core/checked.h"

// Which elements a strided tensor touches can be a very long list, so it is never written down. Two
// numbers bound it from above: the span from its first to its last element, and how many elements
// it has. Spans that touch each other are joined, and each joined piece counts as the smaller of
// its length and the sum of the elements of the tensors in it. So ten columns of a wide matrix are
// few bytes although their span is nearly all of it, and an expanded tensor is one element although
// it counts many. What is found to be lost is lost for certain; what two such views share is at
// times missed.
namespace torchvet {
namespace {

struct Span {
  std::uint64_t begin = 0, end = 0;  ///< bytes of the root
  std::uint64_t bytes = 0;           ///< of all elements, each once
  TensorId tensor = 0;
};

/// The bytes of a root between the first and the last element; the whole root when the tensor's
/// numbers make no sense, or those of its storage.
Span span_of(const Artifact& artifact, TensorId id, const StoragePlace& place,
             std::uint64_t stored) {
  const Tensor& tensor = artifact.tensors[id];
  const Span whole{0, stored, stored, id};
  const std::uint64_t item = item_size(tensor.dtype);
  const std::optional<std::uint64_t> last = tensor.elements_reached();
  const std::optional<std::uint64_t> count = tensor.element_count();
  if (item == 0 || !last || !count) return whole;
  if (*count == 0) return {0, 0, 0, id};
  const auto offset = checked_mul(static_cast<std::uint64_t>(tensor.storage_offset), item);
  const auto begin = offset ? checked_add(*offset, place.begin) : std::nullopt;
  const auto length = checked_mul(*last, item);
  const auto end = length ? checked_add(*length, place.begin) : std::nullopt;
  if (!begin || !end || *end > stored) return whole;
  return {*begin, *end, checked_mul(*count, item).value_or(stored), id};
}

bool same_view(const Artifact& artifact, const Span& a, const Span& b) {
  const Tensor& first = artifact.tensors[a.tensor];
  const Tensor& second = artifact.tensors[b.tensor];
  return a.begin == b.begin && a.end == b.end && first.shape == second.shape &&
         first.strides == second.strides;
}

void add_up(const Artifact& artifact, std::vector<Span>& spans, StorageReach& reach) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::tuple(a.begin, a.end, a.bytes, a.tensor) <
           std::tuple(b.begin, b.end, b.bytes, b.tensor);
  });
  std::uint64_t widest = 0;
  for (std::size_t i = 0; i < spans.size();) {
    std::uint64_t end = spans[i].begin, elements = 0;
    const std::uint64_t begin = spans[i].begin;
    for (const Span* before = nullptr; i < spans.size() && (spans[i].begin < end || !before); ++i) {
      const Span& span = spans[i];
      if (span.end - span.begin > widest || reach.tensors == 0) {
        widest = span.end - span.begin;
        reach.widest = span.tensor;
      }
      end = std::max(end, span.end);
      if (before && same_view(artifact, *before, span)) continue;
      elements = checked_add(elements, span.bytes).value_or(UINT64_MAX);
      ++reach.tensors;
      before = &span;
    }
    reach.reached += std::min(end - begin, elements);
  }
}

std::uint64_t stored_bytes(const Storage& storage) {
  return storage.compressed ? storage.declared_bytes : storage.stored_bytes();
}

}  // namespace

bool reaches_past_storage(const Artifact& artifact, const Tensor& tensor) {
  const std::uint64_t item = item_size(tensor.dtype);
  if (!tensor.storage || tensor.layout != Layout::kStrided || item == 0) return false;
  const std::optional<std::uint64_t> needed = tensor.elements_reached();
  return !needed || *needed > artifact.storages[*tensor.storage].declared_bytes / item;
}

std::vector<StoragePlace> storage_places(const Artifact& artifact) {
  const std::vector<Storage>& storages = artifact.storages;
  std::vector<StoragePlace> places(storages.size());
  std::vector<StorageId> order;
  for (StorageId id = 0; id < storages.size(); ++id) {
    places[id].root = id;
    if (storages[id].present && !storages[id].compressed && !storages[id].bytes.empty()) {
      order.push_back(id);
    }
  }
  // Outer blocks before what lies in them; of equal ones the first in the file is the root.
  const std::less<> before;
  std::sort(order.begin(), order.end(), [&](StorageId a, StorageId b) {
    const ByteView& x = storages[a].bytes;
    const ByteView& y = storages[b].bytes;
    if (x.data() != y.data()) return before(x.data(), y.data());
    return x.size() != y.size() ? x.size() > y.size() : a < b;
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const StorageId root = places[order[i - 1]].root;
    const ByteView& outer = storages[root].bytes;
    const ByteView& inner = storages[order[i]].bytes;
    if (!before(inner.data(), outer.data() + outer.size())) continue;
    const auto begin = static_cast<std::uint64_t>(inner.data() - outer.data());
    if (inner.size() <= outer.size() - begin) places[order[i]] = {root, begin};
  }
  return places;
}

std::vector<StorageReach> storage_reach(const Artifact& artifact) {
  std::vector<StorageReach> found;
  const bool whole = artifact.faults.empty() &&
                     std::none_of(artifact.gaps.begin(), artifact.gaps.end(), [](const Gap& gap) {
                       return gap.what == "tensors" || gap.what == "file";
                     });
  if (!whole) return found;
  const std::vector<StoragePlace> places = storage_places(artifact);
  std::vector<std::vector<Span>> spans(places.size());
  // Every tensor of a pickle names its storage once; a mention more is somebody else's.
  std::vector<std::int64_t> others(places.size(), 0);
  for (ObjectId id = 0; id < artifact.objects.size(); ++id) {
    const auto* reference = artifact.objects.as<Object::StorageRef>(id);
    if (reference) ++others[places[reference->storage].root];
  }
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    const std::optional<StorageId>& storage = artifact.tensors[id].storage;
    if (!storage) continue;
    const StoragePlace& place = places[*storage];
    --others[place.root];
    spans[place.root].push_back(
        span_of(artifact, id, place, stored_bytes(artifact.storages[place.root])));
  }
  for (StorageId id = 0; id < places.size(); ++id) {
    if (places[id].root != id || !artifact.storages[id].present) continue;
    if (others[id] > 0 || spans[id].empty()) continue;
    StorageReach reach{id, stored_bytes(artifact.storages[id])};
    add_up(artifact, spans[id], reach);
    found.push_back(reach);
  }
  return found;
}

}  // namespace torchvet
