#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/operators.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Lists the operators of a program that torch itself does not have, by namespace, in one finding for the
file.

## Why it matters
Such a program loads only where the library is loaded that registers them. Elsewhere `torch.jit.load`
ends with "Unknown builtin op", and `torch.export.load` with an operator that it cannot find.

## Example
```python
return torchvision.ops.nms(boxes, scores, 0.5)     # torchvision::nms in the file
```

## What to do
Import the library before the program is loaded (in C++, link it), and ship it with the program. For
operators of one's own: `torch.ops.load_library`, or the Python module that defines them.

## Limits
A note: that a program needs a library is no defect. Every operator of a method counts, whether a call
reaches it or not, because loading needs them all. Namespaces that torch registers, those of
`torch.distributed` among them, are silent. Which library a namespace belongs to is known for the usual
ones only. Custom classes (`torch.classes`) are not looked at.

## References
`torch.library.custom_op`, `torch.ops.load_library`.
)md";

constexpr std::size_t kMaxNamed = 6;

struct Library {
  std::string_view space;
  std::string_view module;  ///< to import in Python
};

constexpr Library kLibraries[] = {
    {"bitsandbytes", "bitsandbytes"},
    {"detectron2", "detectron2"},
    {"fbgemm", "fbgemm_gpu"},
    {"flash_attn", "flash_attn"},
    {"mmdeploy", "mmdeploy"},
    {"pyg", "pyg_lib"},
    {"tensorrt", "torch_tensorrt"},
    {"torch_cluster", "torch_cluster"},
    {"torch_ipex", "intel_extension_for_pytorch"},
    {"torch_scatter", "torch_scatter"},
    {"torch_sparse", "torch_sparse"},
    {"torch_spline_conv", "torch_spline_conv"},
    {"torchao", "torchao"},
    {"torchaudio", "torchaudio"},
    {"torchtext", "torchtext"},
    {"torchvision", "torchvision"},
    {"transformers", "transformers"},
    {"xformers", "xformers"},
};

std::string_view library_of(std::string_view space) {
  for (const Library& library : kLibraries) {
    if (library.space == space) return library.module;
  }
  return {};
}

struct Uses {
  std::map<std::string, std::uint64_t> operators;
  const Node* first = nullptr;
};

std::map<std::string, Uses> uses_by_namespace(const Artifact& artifact) {
  std::map<std::string, Uses> spaces;
  for (const Graph& graph : artifact.graphs) {
    for (const Node& node : graph.nodes) {
      const std::size_t end = node.op.find("::");
      if (end == std::string::npos || comes_with_torch(node.op)) continue;
      Uses& uses = spaces[node.op.substr(0, end)];
      if (uses.first == nullptr) uses.first = &node;
      ++uses.operators[node.op.substr(end + 2)];
    }
  }
  return spaces;
}

/// "nms, roi_align (4 times)".
std::string operators_text(const Uses& uses) {
  std::vector<std::string> texts;
  for (const auto& [name, count] : uses.operators) {
    if (texts.size() == kMaxNamed) break;
    texts.push_back(count == 1 ? name : fmt::format("{} ({} times)", name, count));
  }
  std::string text = fmt::format("{}", fmt::join(texts, ", "));
  if (texts.size() < uses.operators.size()) {
    text += fmt::format(" and {} more", uses.operators.size() - texts.size());
  }
  return text;
}

std::string help_text(const std::map<std::string, Uses>& spaces) {
  std::vector<std::string> modules, others;
  for (const auto& [space, uses] : spaces) {
    const std::string_view module = library_of(space);
    (module.empty() ? others : modules).emplace_back(module.empty() ? space : module);
  }
  std::vector<std::string> steps;
  if (!modules.empty()) {
    steps.push_back(fmt::format("`import {}` (in C++, link it)", fmt::join(modules, "`, `import ")));
  }
  if (!others.empty()) {
    steps.push_back(
        fmt::format("load the library that registers `{}`", fmt::join(others, "`, `")));
  }
  return fmt::format("{} before the program is loaded", fmt::join(steps, " and "));
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const std::map<std::string, Uses> spaces = uses_by_namespace(artifact);
  if (spaces.empty()) return {};
  std::vector<std::string> names;
  Finding finding;
  finding.severity = Severity::kNote;
  for (const auto& [space, uses] : spaces) {
    names.push_back(space);
    finding.evidence.push_back({"graph", fmt::format("{}: {}", space, operators_text(uses))});
  }
  constexpr std::size_t kMaxSpaces = 8;
  if (finding.evidence.size() > kMaxSpaces) {
    const std::size_t more = finding.evidence.size() - kMaxSpaces;
    finding.evidence.resize(kMaxSpaces);
    finding.evidence.push_back({"graph", fmt::format("and {} more namespaces", more)});
    names.resize(kMaxSpaces);
  }
  finding.where = location_of(*spaces.begin()->second.first);
  finding.key = fmt::format("{}", fmt::join(names, " "));
  finding.message = fmt::format("the program needs operators of `{}`{}, which torch does not have",
                                fmt::join(names, "`, `"),
                                names.size() < spaces.size() ? " and others" : "");
  finding.help = help_text(spaces);
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule GRF004 = define_rule({
    .code = "GRF004",
    .name = "custom-operator",
    .summary = "the program uses operators that torch does not have",
    .why = "it loads only where the library is loaded that registers them",
    .help = "import that library before the program is loaded, and ship it with the program",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
