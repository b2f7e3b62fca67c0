#include <fmt/format.h>

#include <algorithm>

#include "model/module_queries.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Looks at a whole pickled `nn.Module` and reports modules that it holds in a Python list, tuple, dict
or set (or in an object inside one) instead of `nn.ModuleList` or `nn.ModuleDict`, and that are
registered nowhere else.

## Why it matters
The module system finds submodules only among attributes that are modules themselves. Layers in a
plain container work in `forward()`, but `parameters()` does not list them, so the optimizer never
trains them; `state_dict()` does not save them, so they are random again after loading; `.to()`
leaves them on the old device; `.eval()` does not reach them.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(16, 16)
        self.layers = [nn.Linear(16, 16) for _ in range(3)]   # REG001: use nn.ModuleList([...])
```

## What to do
Wrap the container in `nn.ModuleList` or `nn.ModuleDict`, then train again: the layers inside have
not been trained. A module that is kept out on purpose (a frozen teacher, say) belongs outside the
saved object, or behind an attribute that `__getstate__` drops.

## Limits
Only whole pickled modules show this; a state_dict merely lacks the layers. A container that repeats
modules which are registered elsewhere is fine and not reported, nor are containers of layers that
hold nothing (activations). Dropout in a container is a warning: it ignores `.eval()`. So are modules
held by an object of another class, and modules with buffers only. A model in which nothing at all is
registered is REG004.

## References
`torch.nn.Module.__setattr__`, `torch.nn.ModuleList`.
)md";

bool is_container(std::string_view type) {
  constexpr std::string_view kContainers[] = {"list",      "tuple",       "dict",  "set",
                                              "frozenset", "OrderedDict", "deque", "defaultdict"};
  return std::find(std::begin(kContainers), std::end(kContainers), type) != std::end(kContainers);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const HeldModules& held : unregistered_modules(artifact)) {
    const Module& holder = artifact.modules[held.holder];
    // Set past nn.Module.__setattr__ (`self.__dict__[...]`): nobody does that by mistake.
    if (held.container.empty()) continue;
    if (registered_tensor_count(artifact, top_of(artifact, held.holder)) == 0) continue;

    std::uint64_t parameters = 0, elements = 0, buffers = 0;
    bool dropout = false;
    Finding finding;
    for (const ModuleId id : held.modules) {
      const ModuleContents inside = contents_of(artifact, id);
      parameters += inside.parameters;
      elements += inside.elements;
      buffers += inside.buffers;
      for (const std::string& name : inside.classes) {
        dropout = dropout || name.find("Dropout") != std::string::npos;
      }
      if (finding.evidence.size() < 10) {
        finding.evidence.push_back(
            {"module", fmt::format("`{}` is a {} with {} parameters ({} numbers); no `_modules` "
                                   "leads to it",
                                   artifact.modules[id].path, inside.classes.front(),
                                   inside.parameters, inside.elements)});
      }
    }
    if (parameters == 0 && buffers == 0 && !dropout) continue;
    if (parameters == 0 || !is_container(held.container)) {
      finding.severity = Severity::kWarning;
      finding.confidence = Confidence::kMedium;
    }
    finding.where.object_path =
        holder.path.empty() ? held.attribute : holder.path + "." + held.attribute;
    finding.message = fmt::format(
        "`{}` is a {} that holds {} module{} with {} parameter{} ({} numbers) that the "
        "module system does not know",
        finding.where.object_path, held.container, held.modules.size(),
        held.modules.size() == 1 ? "" : "s", parameters, parameters == 1 ? "" : "s", elements);
    if (parameters == 0 && dropout) {
      finding.why = "`.eval()` does not reach dropout in a plain container: it stays active";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG001 = define_rule({
    .code = "REG001",
    .name = "module-in-python-container",
    .summary =
        "modules stand in a Python list, tuple, dict or set, where the module system does not "
        "look",
    .why =
        "their parameters are in no state_dict and no optimizer, and `.to()` and `.eval()` do not "
        "reach them: they are never trained and never saved",
    .help = "use nn.ModuleList or nn.ModuleDict for the container, and train again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
