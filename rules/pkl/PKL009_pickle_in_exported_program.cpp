#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/pickle_effects.h"
#include "model/pickle_reports.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Looks at every pickle inside an exported program (`.pt2`): the example inputs, custom objects, tensors that are
saved as objects, and the three pickles of the layout before torch 2.8.

- A pickle that calls a function of which nothing is known: **error**.
- One that makes objects of classes outside the list that `weights_only=True` allows: **warning**.
- Those whose names are all on that list: one **note**, which leaves out the pickle of example inputs that
  `torch.export.save` writes into every program.

## Why it matters
A `.pt2` looks like data: a graph in JSON and raw weights. But `torch.export.load` hands example inputs to
`torch.load(weights_only=True)`, and where that refuses them, loads them again with `weights_only=False`, which
runs them; tensors that are saved as objects it loads with `weights_only=False` at once. Whoever can change the
file can run code where it is loaded.

## Example
```
data/sample_inputs/model.pt calls `shop.inputs.Batch`, which weights_only=True does not allow
```

## What to do
Export with plain tensors, numbers, lists and dicts as example inputs and constants. Do not load a `.pt2` from
elsewhere that has this finding.

## Limits
That nothing is reported does not make a file safe to load. A pickle that runs programs or code, reaches files or
the network is told by PKL001 alone, as in any other file; then there is no note on the others.

## References
Measured with torch 2.13: `torch.export.pt2_archive` and `torch.export.load`.
)md";

/// The example inputs that torch.export.save writes unasked.
bool is_example_inputs(const PickleProgram& pickle) {
  return pickle.name.find("data/sample_inputs/") != std::string::npos;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  constexpr std::size_t kInMessage = 5;
  if (artifact.format != Format::kExportedProgram) return {};
  const LoaderPrediction* said = prediction_of(artifact, kExportLoader);
  if (said == nullptr) return {};
  const auto is_refused = [&](const std::string& name) {
    return std::binary_search(said->names.begin(), said->names.end(), name);
  };
  std::vector<Finding> findings;
  std::vector<std::string> harmless;
  bool is_told_by_other = false;
  for (const PickleProgram& pickle : artifact.pickles) {
    const std::vector<PickleEffect> effects = effects_of(artifact.objects, pickle);
    if (std::any_of(effects.begin(), effects.end(), is_dangerous)) {
      is_told_by_other = true;  // by PKL001
      continue;
    }
    std::set<std::string> outside;
    for (const PickleProgram::Import& import : pickle.imports) {
      const std::string name = shown_name(import);
      if (import.computed || is_refused(name)) outside.insert(name);
    }
    if (effects.empty() && outside.empty()) {
      if (!is_example_inputs(pickle)) harmless.push_back(pickle.name);
      continue;
    }
    Finding& finding = findings.emplace_back();
    finding.where.member = pickle.name;
    finding.where.bytes = pickle.where;
    finding.severity = effects.empty() ? Severity::kWarning : Severity::kError;
    finding.message =
        effects.empty()
            ? fmt::format("torch.export.load makes objects that weights_only=True refuses: the "
                          "pickle `{}` names {}",
                          pickle.name,
                          listed_names({outside.begin(), outside.end()}, kInMessage))
            : fmt::format("torch.export.load runs `{}`, which the pickle `{}` calls",
                          effects.front().shown, pickle.name);
  }
  if (!harmless.empty() && !is_told_by_other) {
    Finding& finding = findings.emplace_back();
    finding.severity = Severity::kNote;
    finding.where.member = harmless.front();
    finding.message =
        fmt::format("the exported program holds pickles: {}", listed_names(harmless, kInMessage));
    finding.why = "torch.export.load unpickles them";
    finding.help = "export the program again with torch 2.8 or newer, which writes raw weights";
  }
  return findings;
}

}  // namespace

extern constexpr Rule PKL009 = define_rule({
    .code = "PKL009",
    .name = "pickle-in-exported-program",
    .summary = "an exported program holds pickles that do more than hold tensors",
    .why = "torch.export.load loads again without restrictions what weights_only=True refuses, and so runs it",
    .help = "export with plain tensors, numbers, lists and dicts; do not load such a file from elsewhere",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kLoaders,
    .doc = kDoc,
    .check = check,
    .loader = kExportLoader,
});

}  // namespace torchvet::rules
