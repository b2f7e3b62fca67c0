#include "model/numbered_lists.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace torchvet {
namespace {

/// Deeper lists than this are in no model; the bound keeps long names cheap.
constexpr std::size_t kMostNested = 16;

std::optional<std::uint64_t> number_of(std::string_view part) {
  constexpr std::size_t kMostDigits = 6;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
  const bool whole = error == std::errc() && end == part.data() + part.size();
  if (!whole || part.empty() || part.size() > kMostDigits) return std::nullopt;
  return number;
}

}  // namespace

std::vector<NumberedList> numbered_lists(const StateDict& state) {
  std::map<std::string_view, NumberedList> lists;
  for (const StateEntry& entry : state.entries) {
    const std::string_view name = entry.name;
    std::size_t nested = 0;
    for (std::size_t at = 0; nested < kMostNested;) {
      const std::size_t dot = name.find('.', at);
      if (dot == std::string_view::npos) break;
      if (const auto number = number_of(name.substr(at, dot - at))) {
        const std::string_view path = name.substr(0, at == 0 ? 0 : at - 1);
        NumberedList& list = lists[path];
        list.path = path;
        list.layers[*number].push_back({name.substr(dot + 1), entry.tensor});
        ++nested;
      }
      at = dot + 1;
    }
  }
  std::vector<NumberedList> sorted;
  sorted.reserve(lists.size());
  for (auto& [path, list] : lists) {
    for (auto& [number, tensors] : list.layers) {
      std::sort(tensors.begin(), tensors.end(),
                [](const ListedTensor& a, const ListedTensor& b) { return a.name < b.name; });
    }
    sorted.push_back(std::move(list));
  }
  return sorted;
}

}  // namespace torchvet
