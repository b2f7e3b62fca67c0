#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports TorchScript programs in which weights were turned into constants of MKLDNN. The code names them
and the archive does not hold them.

## Why it matters
`torch.jit.load` refuses the file, and the weights are nowhere in it: whoever has only this file has lost
the model. Saving it raises no error.

## Example
```python
fast = torch.jit.optimize_for_inference(torch.jit.script(model.eval()))   # a net with convolutions
torch.jit.save(fast, "model.pt")      # GRF009: code/ holds `weight = ops.prim.ConstantMKLDNNTensor()`
torch.jit.load("model.pt")            # required keyword attribute 'value' is undefined
```

## What to do
Save the program before it is optimized, after `torch.jit.freeze` if that helps, and call
`torch.jit.optimize_for_inference` where it is loaded. The weights must come from the model again.

## Limits
Nets without 2d or 3d convolutions seldom get such constants: what `optimize_for_inference` makes of them can
be saved, and is silent. Whether the class is ever used is not asked.

## References
Such files of torch 2.13 are refused by its own `torch.jit.load`: each fixture is made so, and tried.
)md";

constexpr std::size_t kMaxNamed = 4;

/// The names to which a code file assigns constants that are not there, in its order. A printed
/// string keeps its line breaks escaped, so a line is always a statement.
std::vector<std::string_view> lost_constants(std::string_view code) {
  constexpr std::string_view kLost = " = ops.prim.ConstantMKLDNNTensor()\n";
  std::vector<std::string_view> names;
  for (std::size_t at = code.find(kLost); at != std::string_view::npos;
       at = code.find(kLost, at + kLost.size())) {
    const std::size_t begin = code.find_last_of(" \n", at - 1) + 1;
    if (at > begin) names.push_back(code.substr(begin, at - begin));
  }
  return names;
}

std::string member_of(const Artifact& artifact, const CodeFile& file) {
  const std::string name = "/code/" + file.name;
  for (const Member& member : artifact.members) {
    if (member.name.ends_with(name)) return member.name;
  }
  return {};
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  if (!artifact.script) return findings;
  for (const CodeFile& file : artifact.script->code) {
    std::vector<std::string_view> names = lost_constants(file.text);
    if (names.empty()) continue;
    Finding finding;
    finding.where.member = member_of(artifact, file);
    finding.message =
        names.size() == 1
            ? std::string("a weight was turned into a constant that is not in the file")
            : fmt::format("{} weights were turned into constants that are not in the file",
                          names.size());
    const std::size_t more = names.size() - std::min(names.size(), kMaxNamed);
    names.resize(names.size() - more);
    finding.evidence.push_back(
        {"graph",
         fmt::format("`ops.prim.ConstantMKLDNNTensor()` without a value: {}{}",
                     fmt::join(names, ", "), more == 0 ? "" : fmt::format(" and {} more", more))});
    finding.key = file.name;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule GRF009 = define_rule({
    .code = "GRF009",
    .name = "weights-lost",
    .summary = "the program was saved without the constants that its operators need",
    .why = "torch.jit.load refuses the file, and the weights are nowhere in it",
    .help = "save the program before torch.jit.optimize_for_inference, and optimize it where it is "
            "loaded",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
