#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/checked.h"
#include "model/key_prefixes.h"
#include "model/numbered_lists.h"
#include "model/storage_reach.h"
#include "rule/rule.h"
#include "rule/state_dict_text.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports names that share their numbers where that is easily not what was meant: several layers of one
list that are one and the same layer; a second state_dict in the file, such as an average or the best
model, that is the memory of the first and no copy of it; a tensor that is a part of another one, or
the same one in another shape.

## Why it matters
`nn.ModuleList([Block()] * 6)` makes one block with six names: the model has a sixth of the parameters
that it seems to have. `best = model.state_dict()` keeps no numbers, only references, so that the "best"
model becomes the last one. A tensor that is a part of another changes with it, and `safetensors` refuses
to save both.

## Example
```
layers 0, 1, 2 of `blocks` are one layer: `blocks.0.fc.weight` is `blocks.1.fc.weight`
```

## What to do
Make each layer by itself (`[Block() for _ in range(6)]`); copy what is to be kept
(`copy.deepcopy(model.state_dict())`); clone parts. If the sharing is meant, as the heads that some
detectors share, nothing needs to be done.

## Limits
A note, for sharing can be meant. Weights that are tied whole, such as an embedding and the head of a
language model, or a module with two names, are a matter of course and silent, and so are two layers of
a single tensor each. So are tensors that lie apart in one flat storage. Partly overlapping parameters are STO003's.

## References
`torch.nn.Module.state_dict` ("returned object is a shallow copy"); "Saving & Loading Model" in torch's
tutorials on `best_model_state`.
)md";

constexpr std::size_t kMostShown = 3;

/// What a tensor looks at: two names with equal views are the same numbers.
struct View {
  StorageId root = 0;
  std::uint64_t begin = 0;  ///< bytes
  std::vector<std::int64_t> shape, strides;
  friend bool operator==(const View&, const View&) = default;
};

class Views {
 public:
  explicit Views(const Artifact& artifact)
      : artifact_(artifact), places_(storage_places(artifact)) {}

  [[nodiscard]] std::optional<View> of(TensorId id) const {
    const Tensor& tensor = artifact_.tensors[id];
    if (!tensor.storage || tensor.layout != Layout::kStrided || tensor.storage_offset < 0 ||
        tensor.element_count().value_or(0) == 0) {
      return std::nullopt;
    }
    // What reaches past its storage is STO005's; within, no sum below can overflow.
    const auto reached =
        checked_mul(tensor.elements_reached().value_or(UINT64_MAX), item_size(tensor.dtype));
    if (reached.value_or(UINT64_MAX) > artifact_.storages[*tensor.storage].declared_bytes) {
      return std::nullopt;
    }
    const StoragePlace& place = places_[*tensor.storage];
    const std::uint64_t begin =
        place.begin + static_cast<std::uint64_t>(tensor.storage_offset) * item_size(tensor.dtype);
    return View{place.root, begin, tensor.shape, tensor.strides};
  }
  [[nodiscard]] bool same(TensorId a, TensorId b) const {
    const std::optional<View> view = of(a);
    return view && view == of(b);
  }

 private:
  const Artifact& artifact_;
  std::vector<StoragePlace> places_;
};

Finding note(const Artifact& artifact, const StateDict& state, std::string key) {
  Finding finding;
  finding.severity = Severity::kNote;
  finding.where = location_of(artifact, state);
  finding.key = std::move(key);
  return finding;
}

// ---- one layer several times in a list ---------------------------------------------------------

void check_list(const Artifact& artifact, const StateDict& state, const NumberedList& list,
                const Views& views, std::vector<Finding>& findings) {
  std::vector<std::vector<std::uint64_t>> same;
  for (const auto& [number, layer] : list.layers) {
    const auto other = std::find_if(same.begin(), same.end(), [&](const auto& numbers) {
      const std::vector<ListedTensor>& first = list.layers.at(numbers.front());
      return std::equal(layer.begin(), layer.end(), first.begin(), first.end(),
                        [&](const ListedTensor& a, const ListedTensor& b) {
                          return a.name == b.name && views.same(a.tensor, b.tensor);
                        });
    });
    if (other != same.end()) {
      other->push_back(number);
    } else if (same.size() < kMostShown) {
      same.push_back({number});
    }
  }
  for (const std::vector<std::uint64_t>& numbers : same) {
    const std::size_t tensors = list.layers.at(numbers.front()).size();
    // An embedding and a head in one Sequential are tied as usual.
    if (numbers.size() < 2 || (tensors == 1 && numbers.size() == 2)) continue;
    const std::string dot = list.path.empty() ? "" : ".";
    const std::string_view tensor = list.layers.at(numbers.front()).front().name;
    Finding finding = note(artifact, state, fmt::format("{}.{}", list.path, numbers.front()));
    finding.message =
        fmt::format("layers {} of {} are one and the same layer", fmt::join(numbers, ", "),
                    list.path.empty() ? std::string("the model") : fmt::format("`{}`", list.path));
    finding.evidence.push_back(
        {"tensor", fmt::format("`{0}{1}{2}.{4}` and `{0}{1}{3}.{4}` are the same bytes", list.path,
                               dot, numbers[0], numbers[1], tensor)});
    finding.why = "the model has fewer parameters than it has names";
    finding.help =
        "if they are to be different layers: [Block() for _ in range(n)], not [Block()] * n";
    findings.push_back(std::move(finding));
  }
}

// ---- a state_dict that is no copy --------------------------------------------------------------

void check_copies(const Artifact& artifact, const Views& views, std::vector<Finding>& findings) {
  const std::vector<StateDict>& states = artifact.state_dicts;
  for (std::size_t i = 1; i < states.size(); ++i) {
    const StateDict& copy = states[i];
    for (std::size_t j = 0; j < std::min(i, kMostShown); ++j) {
      std::unordered_map<std::string_view, TensorId> tensors;
      for (const StateEntry& entry : states[j].entries) tensors.emplace(entry.name, entry.tensor);
      const bool same =
          !copy.entries.empty() &&
          std::all_of(copy.entries.begin(), copy.entries.end(), [&](const StateEntry& entry) {
            const auto other = tensors.find(entry.name);
            return other != tensors.end() && views.same(other->second, entry.tensor);
          });
      if (!same) continue;
      Finding finding = note(artifact, copy, "copy");
      finding.message =
          fmt::format("`{}` is the memory of `{}`, and no copy of it", copy.path, states[j].path);
      finding.evidence.push_back(
          {"tensor", fmt::format("all {} tensors of `{}` are the same bytes as those of `{}`",
                                 copy.entries.size(), copy.path, states[j].path)});
      finding.why = "the two were always equal: state_dict() gives references, not numbers";
      finding.help = "keep copy.deepcopy(model.state_dict()); or save the model once";
      findings.push_back(std::move(finding));
      break;
    }
  }
}

// ---- a tensor inside another -------------------------------------------------------------------

bool is_contiguous(const Tensor& tensor) {
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 1) continue;
    if (i >= tensor.strides.size() || tensor.strides[i] != expected) return false;
    if (__builtin_mul_overflow(expected, tensor.shape[i], &expected)) return false;
  }
  return true;
}

void check_parts(const Artifact& artifact, const StateDict& state, const Views& views,
                 std::vector<Finding>& findings) {
  struct Extent {
    std::uint64_t begin, end;
    const StateEntry* entry;
  };
  std::map<StorageId, std::vector<Extent>> storages;
  for (const StateEntry& entry : state.entries) {
    const std::optional<View> view = views.of(entry.tensor);
    const Tensor& tensor = artifact.tensors[entry.tensor];
    if (!view || !is_contiguous(tensor)) continue;
    const std::uint64_t bytes = tensor.element_count().value_or(0) * item_size(tensor.dtype);
    storages[view->root].push_back({view->begin, view->begin + bytes, &entry});
  }
  std::vector<std::pair<const StateEntry*, const StateEntry*>> parts;
  for (auto& [root, extents] : storages) {
    // The outer one first; then each lies in the last that reaches as far, or in none.
    std::stable_sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
    });
    const Extent* outer = nullptr;
    for (const Extent& extent : extents) {
      if (outer && extent.end <= outer->end) {
        const bool tied = views.same(outer->entry->tensor, extent.entry->tensor);
        if (!tied) parts.emplace_back(outer->entry, extent.entry);
      } else {
        outer = &extent;
      }
    }
  }
  if (parts.empty()) return;
  Finding finding = note(artifact, state, "part of " + parts.front().first->name);
  finding.message =
      parts.size() == 1
          ? fmt::format("`{}` is a part of `{}`, or it in another shape", parts[0].second->name,
                        parts[0].first->name)
          : fmt::format("{} tensors are parts of others, or others in another shape", parts.size());
  for (std::size_t i = 0; i < std::min(parts.size(), kMostShown); ++i) {
    const auto& [outer, inner] = parts[i];
    finding.evidence.push_back(
        {"tensor", fmt::format("`{}`, shape [{}], lies in `{}`, shape [{}]", inner->name,
                               fmt::join(artifact.tensors[inner->tensor].shape, ", "), outer->name,
                               fmt::join(artifact.tensors[outer->tensor].shape, ", "))});
  }
  finding.why = "a change of one is a change of the other, and safetensors refuses to save both";
  finding.help = "clone the part, or save only the whole";
  findings.push_back(std::move(finding));
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  if (artifact.kind == Kind::kTorchScript || artifact.kind == Kind::kExportedProgram)
    return findings;
  const Views views(artifact);
  for (const StateDict* state : saved_state_dicts(artifact)) {
    for (const NumberedList& list : numbered_lists(*state)) {
      if (list.layers.size() > 1) check_list(artifact, *state, list, views, findings);
    }
    check_parts(artifact, *state, views, findings);
  }
  check_copies(artifact, views, findings);
  return findings;
}

}  // namespace

extern constexpr Rule STO002 = define_rule({
    .code = "STO002",
    .name = "shared-storage",
    .summary = "names share their numbers in a way that is easily unintended",
    .why = "a change of one is a change of the other",
    .help = "copy what is to be kept apart",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
