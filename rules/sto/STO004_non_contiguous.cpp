#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/checked.h"
#include "model/key_prefixes.h"
#include "rule/rule.h"
#include "rule/state_dict_text.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports tensors of a state_dict whose elements do not lie in memory in the order of their indexes: a
transposed matrix, every second row of another tensor.

## Why it matters
The file loads, and the numbers are right. But `safetensors` refuses such a tensor ("You are trying to
save a non contiguous tensor"), `view()` on it fails, and code that reads the bytes of the storage gets
another matrix.

## Example
```
`decoder.weight`, shape [768, 50257], strides [1, 768]
```

## What to do
Save `tensor.contiguous()`.

## Limits
One note for a model. Tensors in one of torch's memory formats, `channels_last` and `channels_last_3d`,
are as they are meant to be: silent. An expanded parameter is STO003's. Optimizers and buffers outside
a model are not looked at.

## References
`torch.Tensor.contiguous`; `safetensors.torch.save_file`.
)md";

constexpr std::size_t kMostShown = 3;

/// Whether the dimensions, taken in this order, fill the memory without gaps.
bool is_dense(const Tensor& tensor, const std::vector<std::size_t>& from_inner) {
  std::int64_t expected = 1;
  for (const std::size_t at : from_inner) {
    if (tensor.shape[at] == 1) continue;
    if (tensor.strides[at] != expected) return false;
    if (__builtin_mul_overflow(expected, tensor.shape[at], &expected)) return false;
  }
  return true;
}

/// A tensor that reaches past its storage has worse than a wrong order.
bool is_sound(const Artifact& artifact, const Tensor& tensor) {
  const auto reached = tensor.elements_reached();
  const auto bytes =
      reached ? checked_mul(*reached, item_size(tensor.dtype)) : std::optional<std::uint64_t>();
  return tensor.storage && bytes && *bytes <= artifact.storages[*tensor.storage].declared_bytes;
}

bool is_out_of_order(const Tensor& tensor) {
  const std::size_t rank = tensor.shape.size();
  if (tensor.layout != Layout::kStrided || !tensor.storage || tensor.strides.size() != rank) {
    return false;
  }
  if (tensor.element_count().value_or(0) < 2) return false;
  std::vector<std::size_t> order;
  for (std::size_t i = rank; i-- > 0;) {
    if (tensor.strides[i] == 0 && tensor.shape[i] > 1) return false;  // expanded
    order.push_back(i);
  }
  if (is_dense(tensor, order)) return false;
  if (rank != 4 && rank != 5) return true;
  // Channels, the second dimension, innermost.
  order.erase(std::find(order.begin(), order.end(), 1));
  order.insert(order.begin(), 1);
  return !is_dense(tensor, order);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict* state : saved_state_dicts(artifact)) {
    std::vector<const StateEntry*> found;
    for (const StateEntry& entry : state->entries) {
      const Tensor& tensor = artifact.tensors[entry.tensor];
      if (is_out_of_order(tensor) && is_sound(artifact, tensor)) found.push_back(&entry);
    }
    if (found.empty()) continue;
    Finding finding;
    finding.severity = Severity::kNote;
    finding.where = found.size() == 1
                        ? location_of(artifact, artifact.tensors[found.front()->tensor])
                        : location_of(artifact, *state);
    finding.message = found.size() == 1 ? fmt::format("`{}` is not contiguous", found.front()->name)
                                        : fmt::format("{} of {} tensors are not contiguous",
                                                      found.size(), state->entries.size());
    for (std::size_t i = 0; i < std::min(found.size(), kMostShown); ++i) {
      const Tensor& tensor = artifact.tensors[found[i]->tensor];
      finding.evidence.push_back(
          {"tensor", fmt::format("`{}`, shape [{}], strides [{}]", found[i]->name,
                                 fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "))});
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule STO004 = define_rule({
    .code = "STO004",
    .name = "non-contiguous",
    .summary = "parameters do not lie in memory in the order of their elements",
    .why = "safetensors refuses to save it, view() on it fails, and other readers of the bytes get "
           "other numbers",
    .help = "save tensor.contiguous()",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
