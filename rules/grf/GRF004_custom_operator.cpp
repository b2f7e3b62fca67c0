#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/operators.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Lists the operators of a program, and the C++ classes of the objects in it, that torch itself does not
have, by namespace, in one finding for the file.

## Why it matters
Such a program loads only where the library is loaded that registers them. Elsewhere `torch.jit.load`
ends with "Unknown builtin op" or "Unknown type name", and `torch.export.load` with an operator that it cannot find.

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
ones only. Classes (`torch.classes`) are looked for in TorchScript only; those of torch are silent even where
a build of torch lacks them, as XNNPACK's packed weights.

## References
`torch.library.custom_op`, `torch.ops.load_library`, `torch.classes.load_library`.
)md";

constexpr std::size_t kMaxNamed = 6;
constexpr std::size_t kMaxSpaces = 8;

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
  std::set<std::string> classes;
  const Node* first = nullptr;
};

using Namespaces = std::map<std::string, Uses>;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Length of `NS.NAME` at the beginning of a text; 0 when it begins with something else.
std::size_t class_name_length(std::string_view text) {
  const auto name_end = [text](std::size_t at) {
    while (at < text.size() && is_name_char(text[at])) ++at;
    return at;
  };
  const std::size_t dot = name_end(0);
  if (dot == 0 || dot == text.size() || text[dot] != '.') return 0;
  const std::size_t end = name_end(dot + 1);
  return end == dot + 1 ? 0 : end;
}

/// Every `__torch__.torch.classes.NS.NAME` that a text names.
void add_classes(std::string_view text, Namespaces& spaces) {
  constexpr std::string_view kClasses = "__torch__.torch.classes.";
  for (std::size_t at = text.find(kClasses); at != std::string_view::npos;
       at = text.find(kClasses, at + kClasses.size())) {
    const std::string_view rest = text.substr(at + kClasses.size());
    const std::string_view name = rest.substr(0, class_name_length(rest));
    if (name.empty() || class_comes_with_torch(name)) continue;
    const std::size_t dot = name.find('.');
    // A backend is known by its own name.
    const bool backend = name.starts_with("__backends__.");
    spaces[std::string(backend ? name : name.substr(0, dot))].classes.emplace(name.substr(dot + 1));
  }
}

Namespaces uses_by_namespace(const Artifact& artifact) {
  Namespaces spaces;
  if (artifact.script) {
    for (const CodeFile& file : artifact.script->code) add_classes(file.text, spaces);
    for (const std::string& constant : artifact.script->constants) add_classes(constant, spaces);
  }
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

/// "a, b and 2 more".
std::string list_text(std::vector<std::string> texts) {
  const std::size_t more = texts.size() - std::min(texts.size(), kMaxNamed);
  texts.resize(texts.size() - more);
  std::string text = fmt::format("{}", fmt::join(texts, ", "));
  if (more > 0) text += fmt::format(" and {} more", more);
  return text;
}

/// "nms, roi_align (4 times); classes: Video".
std::string uses_text(const Uses& uses) {
  std::vector<std::string> texts;
  for (const auto& [name, count] : uses.operators) {
    texts.push_back(count == 1 ? name : fmt::format("{} ({} times)", name, count));
  }
  std::string text = list_text(std::move(texts));
  if (uses.classes.empty()) return text;
  if (!text.empty()) text += "; ";
  return text + (uses.classes.size() == 1 ? "class " : "classes ") +
         list_text({uses.classes.begin(), uses.classes.end()});
}

/// "operators", "classes", or both: what all the namespaces together are needed for.
std::string_view needed_text(const Namespaces& spaces) {
  const auto has = [&spaces](const auto& member) {
    return std::any_of(spaces.begin(), spaces.end(),
                       [&](const auto& space) { return !(space.second.*member).empty(); });
  };
  if (!has(&Uses::classes)) return "operators";
  return has(&Uses::operators) ? "operators and classes" : "classes";
}

Location first_place(const Namespaces& spaces) {
  for (const auto& [space, uses] : spaces) {
    if (uses.first != nullptr) return location_of(*uses.first);
  }
  return {};
}

std::string help_text(const Namespaces& spaces) {
  std::vector<std::string> modules, others;
  for (const auto& [space, uses] : spaces) {
    if (modules.size() + others.size() == kMaxSpaces) break;
    const std::string_view module = library_of(space);
    (module.empty() ? others : modules).emplace_back(module.empty() ? space : module);
  }
  std::vector<std::string> steps;
  if (!modules.empty()) {
    steps.push_back(
        fmt::format("`import {}` (in C++, link it)", fmt::join(modules, "`, `import ")));
  }
  if (!others.empty()) {
    steps.push_back(fmt::format("load the library that registers `{}`", fmt::join(others, "`, `")));
  }
  return fmt::format("{} before the program is loaded", fmt::join(steps, " and "));
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const Namespaces spaces = uses_by_namespace(artifact);
  if (spaces.empty()) return {};
  std::vector<std::string> names;
  Finding finding;
  finding.severity = Severity::kNote;
  for (const auto& [space, uses] : spaces) {
    names.push_back(space);
    finding.evidence.push_back({"graph", fmt::format("{}: {}", space, uses_text(uses))});
  }
  if (finding.evidence.size() > kMaxSpaces) {
    const std::size_t more = finding.evidence.size() - kMaxSpaces;
    finding.evidence.resize(kMaxSpaces);
    finding.evidence.push_back({"graph", fmt::format("and {} more namespaces", more)});
    names.resize(kMaxSpaces);
  }
  finding.where = first_place(spaces);
  finding.key = fmt::format("{}", fmt::join(names, " "));
  finding.message =
      fmt::format("the program needs {} of `{}`{}, which torch does not have", needed_text(spaces),
                  fmt::join(names, "`, `"), names.size() < spaces.size() ? " and others" : "");
  finding.help = help_text(spaces);
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule GRF004 = define_rule({
    .code = "GRF004",
    .name = "custom-operator",
    .summary = "the program uses operators or classes that torch does not have",
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
