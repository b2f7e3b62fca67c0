#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/key_prefixes.h"
#include "rule/rule.h"
#include "rule/state_dict_text.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports two names of one state_dict that differ in upper and lower case only: `encoder.fc.weight` and
`Encoder.fc.weight`.

## Why it matters
Most often an attribute was renamed in the code, and the old tensors stayed in the file when the new
ones were added: which of the two is trained is left to luck, and a strict load fails. Where names
become files, on macOS and Windows, one overwrites the other.

## Example
```
`Encoder.fc.weight` and `encoder.fc.weight`, both of shape [64, 64]
```

## What to do
Keep the names that the model has today.

## Limits
Names with different shapes are two layers; that is a note, and so is a pair whose modules
`_metadata` knows both, because then one model really had them. A part of one or two letters is a symbol
of a formula (`W` and `w`): silent.

## References
The library `safetensors` and torch keep such names apart; file systems may not.
)md";

constexpr std::size_t kMostShown = 3;
constexpr std::size_t kLongestSymbol = 2;

std::string folded(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

/// Length of the first part in which two names of the same folded form differ.
std::size_t differing_part(std::string_view a, std::string_view b) {
  const auto at = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const std::size_t dot = a.rfind('.', at);
  const std::size_t begin = dot == std::string_view::npos ? 0 : dot + 1;
  return std::min(a.find('.', at), a.size()) - begin;
}

struct Pair {
  const StateEntry* first;
  const StateEntry* second;
  bool same_shape;
};

std::vector<Pair> pairs_of(const Artifact& artifact, const StateDict& state) {
  std::map<std::string, const StateEntry*> seen;
  std::vector<Pair> pairs;
  for (const StateEntry& entry : state.entries) {
    const auto [other, added] = seen.emplace(folded(entry.name), &entry);
    if (added || other->second->name == entry.name) continue;
    if (differing_part(other->second->name, entry.name) <= kLongestSymbol) continue;
    const Tensor& a = artifact.tensors[other->second->tensor];
    const Tensor& b = artifact.tensors[entry.tensor];
    pairs.push_back({other->second, &entry, a.shape == b.shape && a.dtype == b.dtype});
  }
  return pairs;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict* state : saved_state_dicts(artifact)) {
    const std::vector<Pair> pairs = pairs_of(artifact, *state);
    if (pairs.empty()) continue;
    std::unordered_set<std::string_view> known;
    if (state->modules) known.insert(state->modules->begin(), state->modules->end());
    const auto one_model = [&](const Pair& pair) {
      const std::string_view a = module_of(pair.first->name), b = module_of(pair.second->name);
      return a != b && known.contains(a) && known.contains(b);
    };
    const auto serious = std::find_if(pairs.begin(), pairs.end(), [&](const Pair& pair) {
      return pair.same_shape && !one_model(pair);
    });
    const Pair& shown = serious == pairs.end() ? pairs.front() : *serious;
    Finding finding;
    finding.severity = serious == pairs.end() ? Severity::kNote : Severity::kWarning;
    finding.confidence = Confidence::kMedium;
    finding.where = location_of(artifact, *state);
    finding.key = shown.second->name;
    finding.message = fmt::format("`{}` and `{}` differ in upper and lower case only",
                                  shown.first->name, shown.second->name);
    for (std::size_t i = 0; i < std::min(pairs.size(), kMostShown); ++i) {
      const auto& [first, second, same] = pairs[i];
      finding.evidence.push_back(
          {"tensor",
           fmt::format("`{}`, shape [{}], and `{}`, shape [{}]", first->name,
                       fmt::join(artifact.tensors[first->tensor].shape, ", "), second->name,
                       fmt::join(artifact.tensors[second->tensor].shape, ", "))});
    }
    if (pairs.size() > kMostShown) {
      finding.evidence.push_back(
          {"tensor", fmt::format("{} more such pairs", pairs.size() - kMostShown)});
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule KEY004 = define_rule({
    .code = "KEY004",
    .name = "case-only-duplicate",
    .summary = "names differ in upper and lower case only",
    .why = "one of the two is most likely a leftover of a rename, and which one is trained is luck",
    .help = "keep the names that the model has",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
