#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <string>
#include <vector>

#include "model/layer_origins.h"
#include "model/program_form.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports floating-point constants of a traced program that look like numbers computed from the example it
was traced with: their first size is the batch size of the example, they have two dimensions or more, their
rows differ, and they stand in no weight slot.

## Why it matters
`.numpy()`, `.tolist()` and `.data` take a tensor out of what the trace can see. What comes back is written
down as it was for the example: the program gives that answer's numbers for every input.

## Example
```python
h = self.body(x)
scale = torch.tensor(np.sqrt(h.detach().numpy()))   # GRF002: a constant [2, 16], batch of 2
return self.head(h * scale)
```

## What to do
Compute it with torch operators, and trace again; torch.export refuses such code instead of baking it.

## Limits
Only for traces that kept their example inputs, all with one first size of 2 or more. A single number
(`torch.tensor(x.item())`) leaves a constant without dimensions, which looks like any other number. The
confidence is high where the trace also holds a layer whose result nothing reads, as `.data` leaves it
behind; a table that has as many rows as the example by chance looks the same otherwise. Kernels in weight
slots, integers and tables of equal rows are silent. On 192 traces of sound nets in eval mode, 51 of them
of transformers models: none; the three broken twins are found. In train mode one model is known to give
it, truly: `ibert` reads `.data`.

## References
`torch.jit.trace`, `torch.Tensor.numpy`, `torch.Tensor.data`.
)md";

constexpr std::size_t kMaxNamed = 4;

/// Constants of the graph that have the shape of an activation and feed no weight slot.
std::vector<std::uint32_t> candidates(const Artifact& artifact, const Graph& graph,
                                      std::int64_t batch) {
  std::set<std::uint32_t> weights;
  for (const WeightSlot& slot : graph.facts.weight_slots) {
    weights.insert(slot.origin.constants.begin(), slot.origin.constants.end());
  }
  std::vector<std::uint32_t> found;
  for (const std::uint32_t index : graph.facts.constants_read) {
    if (weights.contains(index) || index >= artifact.graph_constants.size()) continue;
    const Tensor& tensor = artifact.tensors[artifact.graph_constants[index]];
    if (tensor.shape.size() < 2 || tensor.shape[0] != batch) continue;
    if (is_floating_point(tensor.dtype)) found.push_back(index);
  }
  return found;
}

ValuePlan wants(const Artifact& artifact) {
  ValuePlan plan;
  const std::optional<std::int64_t> batch = example_batch(artifact);
  if (!batch) return plan;
  for (const Graph& graph : artifact.graphs) {
    for (const std::uint32_t index : candidates(artifact, graph, *batch)) {
      plan.items.push_back({artifact.graph_constants[index], kRows});
    }
  }
  return plan;
}

bool rows_differ(const Tensor& tensor) {
  return tensor.values && (tensor.values->computed & kRows) != 0 && tensor.values->rows > 1 &&
         !tensor.values->all_rows_equal;
}

/// The layer that the baked numbers may have come out of: its result is read by nothing.
std::string abandoned_layer(const Artifact& artifact, const Graph& graph) {
  if (!graph.facts.dead_layers.empty()) {
    const Node& layer = graph.nodes[graph.facts.dead_layers.front()];
    return fmt::format("the result of {} in `{}` is read by nothing", layer.op, layer.module_path);
  }
  const UnreadParameters unread = unread_parameters(artifact);
  if (unread.modules.empty()) return "";
  return fmt::format("no method reads the layer `{}`", unread.modules.front());
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  const std::optional<std::int64_t> batch = example_batch(artifact);
  if (!batch) return findings;
  for (const Graph& graph : artifact.graphs) {
    Finding finding;
    finding.severity = Severity::kWarning;
    std::size_t count = 0;
    for (const std::uint32_t index : candidates(artifact, graph, *batch)) {
      const Tensor& tensor = artifact.tensors[artifact.graph_constants[index]];
      if (!rows_differ(tensor) || ++count > kMaxNamed) continue;
      const Node* reader = reader_of_constant(artifact, index);
      if (count == 1) {
        const bool placed = reader != nullptr && !reader->frames.empty();
        finding.where = placed ? location_of(*reader) : location_of(artifact, tensor);
      }
      finding.evidence.push_back(
          {"values",
           fmt::format(
               "constant `{}` [{}] has the batch size of the example, {}, and rows that "
               "differ{}",
               tensor.object_path, fmt::join(tensor.shape, ", "), *batch,
               reader == nullptr ? std::string() : fmt::format("; {} takes it", reader->op))});
    }
    if (count == 0) continue;
    finding.message =
        fmt::format("{} constant{} of {}() {} numbers computed from the example", count,
                    count == 1 ? "" : "s", graph.method, count == 1 ? "looks like" : "look like");
    const std::string abandoned = abandoned_layer(artifact, graph);
    finding.confidence = abandoned.empty() ? Confidence::kMedium : Confidence::kHigh;
    if (!abandoned.empty()) finding.evidence.push_back({"graph", abandoned});
    finding.key = graph.method;
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string_view unseen(const Artifact& artifact) {
  if (program_form(artifact) != ProgramForm::kTrace) return "";
  return example_batch(artifact) ? "a single number that .item() took out of the graph"
                                 : "numbers of its example that became constants, as the batch "
                                   "size of the example is not told";
}

}  // namespace

extern constexpr Rule GRF002 = define_rule({
    .code = "GRF002",
    .name = "activation-baked",
    .summary = "numbers that were computed from the example are constants of the trace",
    .why = "the program answers every input with numbers of the example",
    .help = "compute it with torch operators, without .numpy(), .tolist() and .data; trace again",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .wants = wants,
    .unseen = unseen,
});

}  // namespace torchvet::rules
