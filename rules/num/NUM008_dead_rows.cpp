#include <fmt/format.h>

#include <utility>
#include <vector>

#include "model/weights.h"
#include "rule/rule.h"
#include "rule/tensor_finding.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports weight matrices of which more than half of the rows are all zero, but not all of them. A row is
everything behind one index of the first dimension: the weights of one output unit.

## Why it matters
A unit with zero weights gives its bias, whatever comes in: more than half of the layer is dead, and
still costs its time. Such rows are left by structured pruning, by a copy into a wider layer that was
never finished, and by a shard that is missing.

## Example
```python
wide = nn.Linear(256, 512); nn.init.zeros_(wide.weight)
wide.weight.data[:200] = narrow.weight        # NUM008: 312 of 512 rows are zero
```

## What to do
Remove the rows and the columns of the next layer that read them, or fill them.

## Limits
Some zero rows are healthy, so more than half is asked, and at least 8 rows. A table of embeddings is
a note: rows of tokens that never occur may be kept at zero. A matrix that is zero throughout is
NUM002. A layer that was pruned on purpose looks the same.

## References
Measured: none of 436 matrices in 28 published files; some zero rows in one of them.
)md";

constexpr std::int64_t kFewestRows = 8;

bool is_judged(const Tensor& tensor) { return tensor.shape[0] >= kFewestRows; }

ValuePlan wants(const Artifact& artifact) { return plan_of_matrices(artifact, kRows, is_judged); }

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    std::vector<TensorRemark> layers, tables;
    for (const StateEntry& entry : weight_matrices(artifact, state)) {
      const Tensor& tensor = artifact.tensors[entry.tensor];
      if (!is_judged(tensor) || !tensor.values) continue;
      const ValueFacts& values = *tensor.values;
      if (values.zero_rows * 2 <= values.rows || values.zero_rows == values.rows) continue;
      (is_table_name(entry.name) ? tables : layers)
          .push_back(
              {entry, fmt::format("{} of {} rows are all zero", values.zero_rows, values.rows)});
    }
    for (const std::vector<TensorRemark>* dead : {&layers, &tables}) {
      if (dead->empty()) continue;
      Finding finding = finding_of_tensors(artifact, state, *dead, "is mostly rows of zeros",
                                           "weight matrices are mostly rows of zeros");
      finding.severity = dead == &tables ? Severity::kNote : Severity::kWarning;
      finding.confidence = Confidence::kMedium;
      if (dead == &tables) finding.key = "tables";
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule NUM008 = define_rule({
    .code = "NUM008",
    .name = "dead-rows",
    .summary = "most rows of a weight matrix are all zero",
    .why = "units whose weights are all zero give the same for every input",
    .help = "if the layer was pruned, make it narrower; else look where its rows were lost",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kValues,
    .doc = kDoc,
    .check = check,
    .wants = wants,
});

}  // namespace torchvet::rules
