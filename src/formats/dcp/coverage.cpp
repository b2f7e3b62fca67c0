// Do boxes tile a box? Give each corner of a box a sign: plus when an even number of its
// coordinates are upper ends, else minus. How many boxes cover a point is the sum of the signs of
// the corners at or before it in every coordinate, so two sets of boxes cover every point equally
// often exactly when their signed corners are the same. For a row of two boxes [0, 3) and [3, 5)
// the corners are +0 -3 +3 -5, and 3 cancels: +0 -5 are those of [0, 5).
//
// That takes one look-up a corner, whatever the tiling, where comparing boxes with each other would
// take a look a pair. Of the corners that do not cancel, the first in lexicographic order tells
// what is wrong there: up to it both sets agree, so its sign is the difference in coverage at that
// point.
#include "formats/dcp/coverage.h"

#include <cstdint>
#include <map>
#include <span>

namespace torchvet {
namespace {

using Point = std::vector<std::int64_t>;

constexpr std::size_t kMostDimensions = 12;  // 4,096 corners a box

std::string text_of(std::span<const std::int64_t> point) {
  std::string text = "[";
  for (std::size_t i = 0; i < point.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(point[i]);
  }
  return text + "]";
}

/// The box at the end of this axis; nothing when it does not fit into 64 bits.
std::optional<std::int64_t> end_of(const DcpBox& chunk, std::size_t axis) {
  std::int64_t end = 0;
  if (__builtin_add_overflow(chunk.offsets[axis], chunk.sizes[axis], &end)) return std::nullopt;
  return end;
}

bool is_inside(const DcpBox& chunk, const std::vector<std::int64_t>& size) {
  for (std::size_t axis = 0; axis < size.size(); ++axis) {
    const std::optional<std::int64_t> end = end_of(chunk, axis);
    if (chunk.offsets[axis] < 0 || chunk.sizes[axis] < 0 || !end || *end > size[axis]) return false;
  }
  return true;
}

bool is_empty(const DcpBox& chunk) {
  for (const std::int64_t size : chunk.sizes) {
    if (size == 0) return true;
  }
  return false;
}

void add_corners(const DcpBox& chunk, std::int64_t weight, std::map<Point, std::int64_t>& signs) {
  const std::size_t dimensions = chunk.sizes.size();
  for (std::uint32_t upper = 0; upper < (std::uint32_t{1} << dimensions); ++upper) {
    Point corner(chunk.offsets.begin(), chunk.offsets.end());
    std::int64_t sign = weight;
    for (std::size_t axis = 0; axis < dimensions; ++axis) {
      if ((upper >> axis & 1u) == 0) continue;
      corner[axis] += chunk.sizes[axis];
      sign = -sign;
    }
    const auto at = signs.emplace(std::move(corner), 0).first;
    at->second += sign;
    if (at->second == 0) signs.erase(at);
  }
}

}  // namespace

std::optional<std::string> coverage_problem(const std::vector<std::int64_t>& size,
                                            const DcpChunks& chunks) {
  if (size.size() > kMostDimensions) {
    return "it has " + std::to_string(size.size()) + " dimensions, too many to be looked at";
  }
  std::map<Point, std::int64_t> signs;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const DcpBox chunk = chunks[i];
    if (!is_inside(chunk, size)) {
      return "the chunk at " + text_of(chunk.offsets) + " with the sizes " + text_of(chunk.sizes) +
             " reaches outside of " + text_of(size);
    }
    if (!is_empty(chunk)) add_corners(chunk, 1, signs);
  }
  const Point origin(size.size(), 0);
  const DcpBox whole{origin, size};
  if (!is_empty(whole)) add_corners(whole, -1, signs);
  if (signs.empty()) return std::nullopt;
  const auto& [point, difference] = *signs.begin();
  if (difference < 0) return "no chunk covers the element " + text_of(point);
  return std::to_string(difference + 1) + " chunks cover the element " + text_of(point);
}

}  // namespace torchvet
