#include "engine/suggest.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

namespace torchvet {
namespace {

constexpr std::size_t kLongestWord = 64;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other
/// (Damerau's distance, restricted: no letter is edited twice).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::vector<std::size_t> next(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    next[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = row[j] + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      next[j + 1] = std::min({row[j + 1] + 1, next[j] + 1, replaced});
      const bool swapped = i > 0 && j > 0 && lower(a[i]) == lower(b[j - 1]) &&
                           lower(a[i - 1]) == lower(b[j]);
      if (swapped) next[j + 1] = std::min(next[j + 1], before[j - 1] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates) {
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  const std::size_t tolerated = std::max<std::size_t>(1, word.size() / 3);
  std::size_t best = tolerated + 1;
  std::optional<std::string> found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::optional<std::string> found = closest(word, candidates);
  return found ? "; did you mean " + *found + "?" : "";
}

}  // namespace torchvet
