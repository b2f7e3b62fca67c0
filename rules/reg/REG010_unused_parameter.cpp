#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "model/layer_origins.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports registered parameters that no method of the saved program reads, in one finding for the file.

## Why it matters
A layer that `forward()` no longer calls still costs memory and download, hides a mistake in the
wiring, and in distributed training stops with `find_unused_parameters`.

## Example
```python
self.head = nn.Linear(16, 4)
self.old_head = nn.Linear(16, 4)      # REG010: forward() never calls it
```

## What to do
Remove the layer, or call it; if only another entry point uses it, save that one too.

## Limits
A warning where a whole module with a weight is unread and no sibling that differs only in numbers is
read; else a note: experts that a traced example did not reach, values that only training uses. Names
of masks with one row are silent. Parameters that share their storage with one that is read count as
read (tied weights, the flat weights of recurrent layers). Many published models carry parts that
this entry point does not need, so this says what is unread, never that it is wrong. Nothing is said
when the graph of some method is missing.

## References
`torch.nn.parallel.DistributedDataParallel(find_unused_parameters=...)`.
)md";

constexpr std::size_t kMaxNamed = 8;

std::string listed(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMaxNamed);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const UnreadParameters unread = unread_parameters(artifact);
  if (unread.modules.empty() && unread.tensors.empty()) return {};
  std::vector<std::string> methods;
  for (const Graph& graph : artifact.graphs) methods.push_back(graph.method + "()");
  Finding finding;
  finding.confidence = Confidence::kMedium;
  const bool whole = !unread.modules.empty();
  const std::vector<std::string>& named = whole ? unread.modules : unread.tensors;
  finding.severity = whole ? Severity::kWarning : Severity::kNote;
  finding.where.object_path = named.front();
  finding.message =
      fmt::format("{} {}{} no method reads", named.size(), whole ? "module" : "parameter",
                  named.size() == 1 ? " that" : "s that");
  finding.evidence.push_back(
      {"graph", fmt::format("read by none of {}: {}", listed(methods), listed(named))});
  if (whole && !unread.tensors.empty()) {
    finding.evidence.push_back({"graph", fmt::format("nor: {}", listed(unread.tensors))});
  }
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule REG010 = define_rule({
    .code = "REG010",
    .name = "unused-parameter",
    .summary = "registered parameters are read by no method of the program",
    .why = "a layer that this entry point does not use costs memory and may be a wiring mistake",
    .help = "remove the layer or call it; if another entry point needs it, this is fine",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kMedium,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
