#include <fmt/format.h>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Looks at a whole pickled `nn.Module` and reports a submodule that lacks what `nn.Module.__init__`
makes: `_parameters`, `_buffers`, `_modules`.

## Why it matters
Its class has an `__init__` that does not call `super().__init__()`. Such a module cannot register
anything. Walking over the model (`parameters()`, `.to()`, `.eval()`, `state_dict()`) raises
`AttributeError: 'Encoder' object has no attribute '_parameters'`, or skips what is inside.

## Example
```python
class Encoder(nn.Module):
    def __init__(self):
        self.width = 32          # super().__init__() is missing
```

## What to do
Call `super().__init__()` first in the class's `__init__`, then build and save the model again.

## Limits
Judged for children of an initialised module. A root without any registered tensor is REG004. A class
that saves itself in its own way, through `__reduce__` or a `__getstate__` that returns no dict, is
not judged.

## References
`torch.nn.Module.__init__`.
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const Module& module : artifact.modules) {
    if (module.initialised || !module.parent) continue;
    const Module& parent = artifact.modules[*module.parent];
    if (!parent.initialised) continue;
    Finding finding;
    finding.where.object_path = module.path;
    finding.message = fmt::format("module `{}` of class {} was never initialised", module.path,
                                  module.class_name);
    finding.evidence.push_back(
        {"module", fmt::format("its pickled state has no `_parameters` and no `_modules`; `{}` "
                               "above it has both",
                               parent.path.empty() ? parent.class_name : parent.path)});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule REG009 = define_rule({
    .code = "REG009",
    .name = "module-not-initialised",
    .summary = "a submodule lacks what nn.Module.__init__ makes",
    .why =
        "super().__init__() was not called: the module can register nothing, and walking over the "
        "model fails",
    .help = "call super().__init__() first in the class's __init__, then build and save again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
