#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "rule/rule.h"
#include "rule/tensor_finding.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports models whose weight matrices have more than one of float64, float32, float16 and bfloat16.

## Why it matters
`torch.nn.functional.linear` and its like refuse an input of one type and a weight of another. A layer
that was added after `model.half()`, or a shard that was saved by another program, shows so.

## Example
```python
model.half()
model.head = nn.Linear(512, 10)            # float32 again
torch.save(model.state_dict(), "m.pt")     # NUM007: 1 of 25 weight matrices is float32
```

## What to do
Convert the whole model before saving.

## Limits
A note: routers and heads are kept in float32 on purpose in some models. Norm layers and biases are
not counted, since they are usually kept in float32; types of 8 bits and less are quantization.

## References
`torch.nn.Module.to`. No numbers are read. Not measured on models that mix on purpose.
)md";

bool counts(DType dtype) {
  return dtype == DType::kFloat64 || dtype == DType::kFloat32 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    std::map<DType, std::vector<StateEntry>> by_type;
    std::size_t all = 0;
    for (const StateEntry& entry : weight_matrices(artifact, state)) {
      const DType dtype = artifact.tensors[entry.tensor].dtype;
      if (!counts(dtype)) continue;
      by_type[dtype].push_back(entry);
      ++all;
    }
    if (by_type.size() < 2) continue;
    const auto usual = std::max_element(
        by_type.begin(), by_type.end(),
        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    std::vector<TensorRemark> others;
    for (const auto& [dtype, entries] : by_type) {
      if (dtype == usual->first) continue;
      for (const StateEntry& entry : entries)
        others.push_back({entry, std::string(name_of(dtype))});
    }
    const std::string rest = fmt::format("{} of {} weight matrices are {}", usual->second.size(),
                                         all, name_of(usual->first));
    Finding finding = finding_of_tensors(artifact, state, others, "differs in its type",
                                         "weight matrices differ in their type");
    finding.severity = Severity::kNote;
    finding.evidence.push_back({"tensor", rest});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule NUM007 = define_rule({
    .code = "NUM007",
    .name = "dtype-mixed",
    .summary = "the weight matrices of a model have different floating point types",
    .why = "operators refuse tensors of different types, unless autocast or a cast in forward() "
           "mends it",
    .help = "convert the model as a whole (model.to(dtype)) before saving, or keep the list of "
            "layers that are meant to differ",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
