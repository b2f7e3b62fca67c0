// Where in its run a checkpoint stands. Nothing standard says so: a script writes `epoch` or
// `global_step` beside the model, or into the file's name, or only the optimizer counts. Each of
// these places is asked in turn, and the first is taken that every checkpoint has and no two share:
// a number that some files lack or that repeats (a constant `version`, the `2` in `gpt2`) orders
// nothing. Only when nothing orders them all is a number taken that some share: a run of which the
// last checkpoint was copied (`last.pt`).
#include "model/series_order.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <string_view>

#include "model/optimizer_evidence.h"

namespace torchvet {
namespace {

using Places = std::vector<std::optional<double>>;

/// True when the places tell any two checkpoints apart.
bool orders(const Places& places) {
  std::set<double> seen;
  return std::all_of(places.begin(), places.end(), [&](const std::optional<double>& place) {
    return place && std::isfinite(*place) && seen.insert(*place).second;
  });
}

/// The highest step that the optimizers count.
std::optional<double> optimizer_step(const Artifact& artifact) {
  std::optional<double> highest;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      const std::optional<double> step = step_of(artifact, entry);
      if (step && (!highest || *step > *highest)) highest = step;
    }
  }
  return highest;
}

/// True when the places tell some apart, though not all.
bool orders_roughly(const Places& places) {
  return std::all_of(places.begin(), places.end(),
                     [](const auto& place) { return place && std::isfinite(*place); }) &&
         std::adjacent_find(places.begin(), places.end(), std::not_equal_to<>()) != places.end();
}

struct NumberInName {
  double value = 0;
  bool whole = true;          ///< `0.93` is a score
  bool named = false;         ///< a word for progress stands before it: `epoch=3`, `step_100`
  std::ptrdiff_t folder = 0;  ///< how many folders up from the file's own name
};

constexpr std::array<std::string_view, 9> kProgressWords = {
    "step", "steps", "epoch", "ep", "iter", "iteration", "it", "checkpoint", "ckpt"};

bool is_progress(std::string_view before) {
  const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  while (!before.empty() &&
         (before.back() == '=' || before.back() == '-' || before.back() == '_')) {
    before.remove_suffix(1);
  }
  std::size_t begin = before.size();
  while (begin > 0 && letter(before[begin - 1])) --begin;
  std::string word(before.substr(begin));
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kProgressWords.begin(), kProgressWords.end(), word) != kProgressWords.end();
}

/// Every number in a path, from its end to its start: the file's own name counts first.
std::vector<NumberInName> numbers_in(std::string_view path) {
  std::vector<NumberInName> numbers;
  for (std::size_t at = 0; at < path.size();) {
    if (std::isdigit(static_cast<unsigned char>(path[at])) == 0) {
      ++at;
      continue;
    }
    NumberInName number;
    const char* const begin = path.data() + at;
    const auto [end, error] =
        std::from_chars(begin, path.data() + path.size(), number.value, std::chars_format::fixed);
    const std::string_view text(begin, static_cast<std::size_t>(std::max(end, begin + 1) - begin));
    number.whole = text.find('.') == std::string_view::npos;
    number.named = is_progress(path.substr(0, at));
    number.folder = std::count(path.begin() + static_cast<std::ptrdiff_t>(at), path.end(), '/');
    if (error == std::errc()) numbers.push_back(number);
    at += text.size();
  }
  std::reverse(numbers.begin(), numbers.end());
  return numbers;
}

std::string_view without_extension(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  const bool in_name =
      dot != std::string_view::npos && path.find('/', dot) == std::string_view::npos;
  return in_name ? path.substr(0, dot) : path;
}

/// The number in each path that tells them apart, counted from the end, in the file's name or in
/// the same folder of all: one with a word for progress before it, else a whole one.
std::optional<Places> numbers_in_names(const std::vector<SeriesPlace>& given) {
  std::vector<std::vector<NumberInName>> all;
  std::size_t fewest = given.empty() ? 0 : SIZE_MAX;
  for (const SeriesPlace& place : given) {
    all.push_back(numbers_in(without_extension(place.path)));
    fewest = std::min(fewest, all.back().size());
  }
  for (const auto wanted : {&NumberInName::named, &NumberInName::whole}) {
    for (std::size_t i = 0; i < fewest; ++i) {
      Places places;
      for (const std::vector<NumberInName>& numbers : all) {
        const bool fits = numbers[i].*wanted && numbers[i].folder == all.front()[i].folder;
        places.push_back(fits ? std::optional(numbers[i].value) : std::nullopt);
      }
      if (orders(places)) return places;
    }
  }
  return std::nullopt;
}

SeriesOrder in_order(const Places& places, std::string text) {
  SeriesOrder order;
  order.text = std::move(text);
  order.index.resize(places.size());
  std::iota(order.index.begin(), order.index.end(), std::size_t{0});
  std::stable_sort(order.index.begin(), order.index.end(),
                   [&](std::size_t a, std::size_t b) { return places[a] < places[b]; });
  for (const std::size_t i : order.index) order.steps.push_back(places[i]);
  return order;
}

}  // namespace

SeriesPlace place_of(const Artifact& artifact) {
  SeriesPlace place;
  place.path = artifact.source.path;
  for (std::size_t key = 0; key < kStepKeys.size(); ++key) {
    place.stored[key] = stored_number(artifact, kStepKeys[key]);
  }
  place.optimizer_step = optimizer_step(artifact);
  return place;
}

ValuePlan place_plan(const Artifact& artifact) {
  ValuePlan plan;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (entry.step_tensor) plan.items.push_back({*entry.step_tensor, kMoments});
    }
  }
  return plan;
}

SeriesOrder order_series(const std::vector<SeriesPlace>& places) {
  static_assert(kStepKeys.back() == "epoch");
  Places found(places.size());
  const auto take = [&](auto ask, bool (*enough)(const Places&)) {
    std::transform(places.begin(), places.end(), found.begin(), ask);
    return enough(found);
  };
  const bool epochs = std::all_of(places.begin(), places.end(), [](const SeriesPlace& place) {
    return place.stored.back().has_value();
  });
  const auto in_files = [&](bool (*enough)(const Places&)) -> std::optional<SeriesOrder> {
    for (std::size_t key = 0; key < kStepKeys.size(); ++key) {
      // The same step of two epochs is another place.
      const bool again = epochs && kStepKeys[key] != "epoch" && !is_step_of_run(kStepKeys[key]);
      if (enough == orders_roughly && again) continue;
      if (take([&](const SeriesPlace& place) { return place.stored[key]; }, enough)) {
        return in_order(found, "`" + std::string(kStepKeys[key]) + "` in the files");
      }
    }
    if (take([](const SeriesPlace& place) { return place.optimizer_step; }, enough)) {
      return in_order(found, "the step of the optimizer");
    }
    return std::nullopt;
  };
  if (std::optional<SeriesOrder> order = in_files(orders)) return std::move(*order);
  if (const std::optional<Places> named = numbers_in_names(places)) {
    return in_order(*named, "the numbers in the names");
  }
  if (std::optional<SeriesOrder> order = in_files(orders_roughly)) return std::move(*order);
  return in_order(Places(places.size()), "the order given");
}

}  // namespace torchvet
