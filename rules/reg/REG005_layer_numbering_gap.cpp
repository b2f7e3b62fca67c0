#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/key_prefixes.h"
#include "model/numbered_lists.h"
#include "rule/rule.h"
#include "rule/state_dict_text.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a list of layers of equal structure and equal shapes in a state_dict (`layers.0`, `layers.1`,
`layers.3`) in which a number between the others has no tensors.

## Why it matters
The layer was lost on the way, by a filter of names or a conversion that skipped it, or it was not
registered when the file was saved. A strict load fails; one with `strict=False` leaves a layer in the
middle of the model at its initialisation.

## Example
```
`encoder.layers` has layers 0 to 11, without 7; each other has 16 tensors
```

## What to do
Compare the names with those of the model. If layers were removed on purpose, number the others anew.

## Limits
A guess of low confidence. Only lists whose layers are blocks of several modules, alike in all names
and shapes, are judged; activations, poolings and the like between layers (a regular step, or layers
that differ) are no gap. Where `_metadata` survived, it must know the missing layer with the modules that
the others have. A list that begins above 0, as a part of a sharded checkpoint, is silent.

## References
`torch.nn.ModuleList` and `torch.nn.Sequential`, which number without gaps.
)md";

constexpr std::size_t kFewestLayers = 3;
constexpr std::size_t kFewestTensors = 4;

bool alike(const Artifact& artifact, const std::vector<ListedTensor>& a,
           const std::vector<ListedTensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const ListedTensor& x, const ListedTensor& y) {
                      return x.name == y.name &&
                             artifact.tensors[x.tensor].shape == artifact.tensors[y.tensor].shape;
                    });
}

/// Blocks of several modules: a list of bare layers has activations between them.
bool is_block(const std::vector<ListedTensor>& layer) {
  return layer.size() >= kFewestTensors &&
         module_of(layer.front().name) != module_of(layer.back().name);
}

std::vector<std::uint64_t> gaps_of(const NumberedList& list, bool modules_known) {
  std::vector<std::uint64_t> gaps;
  std::unordered_set<std::uint64_t> steps;
  std::uint64_t before = list.layers.begin()->first;
  for (const auto& [number, layer] : list.layers) {
    if (number == before) continue;
    steps.insert(number - before);
    for (std::uint64_t lost = before + 1; lost < number && gaps.size() <= list.layers.size();
         ++lost) {
      gaps.push_back(lost);
    }
    before = number;
  }
  // One step throughout is a pattern; more gaps than layers are no list.
  const bool pattern = steps.size() < 2 && !modules_known;
  if (pattern || gaps.size() >= list.layers.size()) gaps.clear();
  return gaps;
}

/// Whether `_metadata`, where there is one, knows the layer with the modules that the others have.
bool model_has(const StateDict& state, const std::unordered_set<std::string_view>& modules,
               const NumberedList& list, std::uint64_t number) {
  if (!state.modules) return true;
  const std::string layer =
      list.path.empty() ? std::to_string(number) : fmt::format("{}.{}", list.path, number);
  const std::vector<ListedTensor>& other = list.layers.begin()->second;
  return std::any_of(other.begin(), other.end(), [&](const ListedTensor& tensor) {
    const std::string_view inner = module_of(tensor.name);
    return !inner.empty() && modules.contains(fmt::format("{}.{}", layer, inner));
  });
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict* state : saved_state_dicts(artifact)) {
    std::unordered_set<std::string_view> modules;
    if (state->modules) modules.insert(state->modules->begin(), state->modules->end());
    for (const NumberedList& list : numbered_lists(*state)) {
      const std::vector<ListedTensor>& first = list.layers.begin()->second;
      if (list.layers.size() < kFewestLayers || !is_block(first)) continue;
      const bool equal =
          std::all_of(list.layers.begin(), list.layers.end(),
                      [&](const auto& layer) { return alike(artifact, layer.second, first); });
      if (!equal) continue;
      std::vector<std::uint64_t> gaps = gaps_of(list, state->modules.has_value());
      std::erase_if(
          gaps, [&](std::uint64_t number) { return !model_has(*state, modules, list, number); });
      if (gaps.empty()) continue;
      Finding finding;
      finding.severity = Severity::kNote;
      finding.confidence = Confidence::kLow;
      finding.where = location_of(artifact, *state);
      finding.key = list.path;
      finding.message = fmt::format(
          "{} missing in {}", gaps.size() == 1 ? "a layer is" : "layers are",
          list.path.empty() ? std::string("the list") : fmt::format("the list `{}`", list.path));
      finding.evidence.push_back(
          {"tensor", fmt::format("layers {} to {}, without {}; each other has {} tensors",
                                 list.layers.begin()->first, list.layers.rbegin()->first,
                                 fmt::join(gaps, ", "), first.size())});
      if (state->modules) {
        finding.evidence.push_back(
            {"module", "`_metadata` knows the modules of the missing layer"});
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG005 = define_rule({
    .code = "REG005",
    .name = "layer-numbering-gap",
    .summary = "a layer is missing from a numbered list of equal ones",
    .why = "a layer in the middle of the model would keep its initialisation",
    .help = "compare the names with those of the model, and save all of its layers",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kLow,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
