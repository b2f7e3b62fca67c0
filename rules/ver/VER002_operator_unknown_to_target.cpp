#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/torch_release.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
With `--target-torch`: reports operators of a program that came with a later release of torch, in one
finding for the file.

## Why it matters
The target torch cannot load the program: `torch.jit.load` ends with "Unknown builtin op",
`torch.export.load` cannot resolve the operator. Every method is read, so an operator in a branch that
is never taken is enough.

## Example
```python
self.norm = nn.RMSNorm(64)       # aten::rms_norm: since torch 2.4
```

## What to do
Save the program with the target torch; or write the part with older operators; or update the target.

## Limits
A table of 182 operators of `aten`, made from the published releases 1.12 to 2.13: those that a release
declares first and that no earlier library knows by any name. New overloads and new arguments of older
operators, operators outside `aten`, and those that came before 1.13 are not known, so silence proves
nothing. What run_decompositions() or another torch makes of a program may differ.

## References
`native_functions.yaml` in the wheels of torch.
)md";

constexpr std::size_t kMaxNamed = 8;

struct Newer {
  TorchRelease since;
  const Node* first = nullptr;
};

std::map<std::string, Newer> newer_operators(const Artifact& artifact, TorchRelease target) {
  std::map<std::string, Newer> newer;
  for (const Graph& graph : artifact.graphs) {
    for (const Node& node : graph.nodes) {
      const std::optional<TorchRelease> since = release_of_operator(node.op);
      if (since && *since > target) newer.emplace(node.op, Newer{*since, &node});
    }
  }
  return newer;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  const std::optional<TorchRelease> target = release_from_text(intent.target_torch);
  if (!target) return {};
  const std::map<std::string, Newer> newer = newer_operators(artifact, *target);
  if (newer.empty()) return {};
  Finding finding;
  TorchRelease needed;
  std::vector<std::string> names;
  for (const auto& [name, what] : newer) {
    needed = std::max(needed, what.since);
    if (names.size() == kMaxNamed) continue;
    names.push_back(name);
    finding.evidence.push_back(
        {"graph", fmt::format("{}: since torch {}", name, to_text(what.since))});
  }
  finding.where = location_of(*newer.begin()->second.first);
  finding.key = fmt::format("{}", fmt::join(names, " "));
  const std::size_t more = newer.size() - names.size();
  finding.message = fmt::format("torch {} does not have {}{}", to_text(*target),
                                fmt::join(names, ", "),
                                more == 0 ? std::string() : fmt::format(" and {} more", more));
  finding.help = fmt::format("save the program with the target torch, or load it with {} or later",
                             to_text(needed));
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule VER002 = define_rule({
    .code = "VER002",
    .name = "operator-unknown-to-target",
    .summary = "the program uses operators that the target torch does not have",
    .why = "the target torch cannot load the program",
    .help = "save the program with the target torch, write the part with older operators, or update",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
