#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports members of an archive whose names differ only in upper and lower case.

## Why it matters
torch's reader ignores case: the two are one name for it, and which of them it reads depends on how many
members there are. Every other tool sees two. A second `DATA.PKL` is loaded in place of the `data.pkl` that
was looked at.

## Example
```
archive/data.pkl
archive/DATA.PKL     # the one that torch.load reads
```

## What to do
Do not use a file from others. If the names are those of your own Python files in a TorchScript archive
(`net.py` beside `Net.py`), rename one of the modules and save again.

## Limits
Only letters of ASCII are compared, as torch does it.

## References
Measured with torch 2.13: with a member `archive/DATA/0` beside `archive/data/0` the tensor has the numbers of
the former, whether it comes first or last in the directory. `torch.jit.save` itself writes such an archive for
classes from `net.py` and `Net.py`; `torch.jit.load` then fails with `Unknown type name '__torch__.Net.Layer'`.
)md";

constexpr std::array kCodes = {ErrorCode::kZipCaseDuplicate};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  return findings_of_faults(artifact, kCodes, [](const std::string& member, const Fault&) {
    return fmt::format("`{}` and another member have one name for torch", member);
  });
}

}  // namespace

extern constexpr Rule FMT016 = define_rule({
    .code = "FMT016",
    .name = "case-folded-duplicate",
    .summary = "names of members differ only in case",
    .why = "torch ignores case and reads one of them, not always the one that others see",
    .help = "do not use it; if it is yours, rename one of the two and save again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
