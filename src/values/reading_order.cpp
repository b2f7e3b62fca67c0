// A deflated storage can only be read from its begin on. Tensors that lie one behind the other are
// read in one pass; for two that share bytes, of which none is the other's, two passes are needed.
// So they are dealt into passes like lectures into rooms: in the order of their begins, each into
// the pass that became free first, else into a new one. That is as many passes as tensors lie over
// each other in the fullest place, and no order needs fewer.
//
// A tensor whose elements jump back, as those of a transposed one do, makes the opener hold the
// whole storage. Such tensors come first, and the others then find it held.
#include "values/reading_order.h"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <utility>

#include "values/logical_bytes.h"

namespace torchvet {
namespace {

struct Turn {
  std::uint64_t storage = 0;
  std::uint64_t pass = 0;
  std::uint64_t begin = 0;
  TensorId tensor = 0;
  std::size_t position = 0;
  std::uint64_t end = 0;
  auto operator<=>(const Turn&) const = default;
};

Turn turn_of(const Artifact& artifact, TensorId id, std::size_t position) {
  const Tensor& tensor = artifact.tensors[id];
  Turn turn{.storage = tensor.storage.value_or(UINT64_MAX), .tensor = id, .position = position};
  if (turn.storage >= artifact.storages.size() || !artifact.storages[turn.storage].compressed) {
    return turn;
  }
  const std::optional<Tensor> bytes = as_bytes_lie(tensor);
  const std::optional<StorageSpan> span = bytes ? span_of(*bytes) : std::nullopt;
  if (!span || !span->forward) return turn;
  turn.pass = 1;
  turn.begin = span->begin;
  turn.end = span->end;
  return turn;
}

/// Deals the turns of one storage, sorted by their begins, into passes.
void deal(std::span<Turn> turns) {
  using Free = std::pair<std::uint64_t, std::uint64_t>;  // from where on, pass
  std::priority_queue<Free, std::vector<Free>, std::greater<>> passes;
  std::uint64_t count = 0;
  for (Turn& turn : turns) {
    if (turn.pass == 0) continue;
    if (!passes.empty() && passes.top().first <= turn.begin) {
      turn.pass = passes.top().second;
      passes.pop();
    } else {
      turn.pass = ++count;
    }
    passes.emplace(turn.end, turn.pass);
  }
}

}  // namespace

std::vector<std::size_t> reading_order(const Artifact& artifact,
                                       std::span<const TensorId> tensors) {
  std::vector<Turn> turns;
  turns.reserve(tensors.size());
  for (const TensorId id : tensors) turns.push_back(turn_of(artifact, id, turns.size()));
  std::sort(turns.begin(), turns.end());
  for (std::size_t begin = 0, end = 0; begin < turns.size(); begin = end) {
    while (end < turns.size() && turns[end].storage == turns[begin].storage) ++end;
    deal(std::span(turns).subspan(begin, end - begin));
  }
  std::sort(turns.begin(), turns.end());
  std::vector<std::size_t> order;
  order.reserve(turns.size());
  for (const Turn& turn : turns) order.push_back(turn.position);
  return order;
}

}  // namespace torchvet
