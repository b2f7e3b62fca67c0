#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "model/pickle_effects.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
A pickle is a program: it can import any name and call it. This reports what a pickle in the file
would do beyond what checkpoints need, each with its arguments:

- a call or an import of something that runs programs or code, reaches files, the network or the
  interpreter itself (`os`, `subprocess`, `eval`, `importlib`, `torch.hub`, `numpy.load`, ...):
  **error**. Importing is enough, because other calls in the pickle can be handed the name;
- a name that the pickle computes before importing it, and a change of an imported object:
  **error**; no writer of checkpoints makes such pickles;
- a call of a function that nothing is known about, a call of another call's result, and names that
  load a further pickle or build functions from bytecode in the file: **warning**.

Nothing in the file is run to find this out.

## Why it matters
`torch.load(..., weights_only=False)`, `pickle.load` and everything built on them run the program
while they load. A model file from elsewhere can take over the machine that opens it. So does
`torch.export.load`, which loads again without restrictions what `weights_only=True` refuses.

## Example
```
loading runs `os.system('curl ... | sh')`
  pickle  called by REDUCE at bytes 112..113 of data.pkl
  pickle  os.system reaches the operating system: programs, files, environment
```

## What to do
Do not load the file with `weights_only=False`. Find out where it comes from. If the weights are
needed, load with `weights_only=True`, which refuses such calls, on a machine that may be lost, and
save them again as a state_dict or as safetensors. If the function is your own, save plain data
instead of an object that calls it.

## Limits
A name that is missing in the table of dangerous names and looks like a class, or belongs to torch,
numpy or a library that writes checkpoints, is silent: silence does not mean that a file is safe to
load. What the arguments would do is not evaluated. In an exported program (`.pt2`), a pickle that
does nothing worse than call an unknown function is left to PKL009.

## References
Python's documentation of `pickle` ("The pickle module is not secure"); the notes on
`weights_only` in torch's documentation of `torch.load`.
)md";

using Kind = PickleEffect::Kind;

/// The effects of one pickle on one name: one finding.
struct Group {
  std::vector<const PickleEffect*> effects;
};

std::string message_of(const PickleEffect& effect) {
  switch (effect.kind) {
    case Kind::kCallsRisky:
      return fmt::format("loading runs `{}`", effect.shown);
    case Kind::kImportsRisky:
      return fmt::format("loading imports `{}`, which {}", effect.name, effect.risk->reason);
    case Kind::kComputedName:
      return fmt::format("loading imports a name that the pickle computes: `{}`", effect.shown);
    case Kind::kChangesGlobal:
      return fmt::format("loading changes `{}` of the process that loads: `{}`", effect.name,
                         effect.shown);
    case Kind::kCallsUnknown:
      return fmt::format("loading calls a function outside torch: `{}`", effect.shown);
    case Kind::kCallsResult:
      return fmt::format("loading calls what another call returned: `{}`", effect.shown);
  }
  return {};
}

Finding finding_of(const PickleProgram& program, const Group& group) {
  const auto call = std::find_if(group.effects.begin(), group.effects.end(),
                                 [](const PickleEffect* effect) { return !effect->only_reaches; });
  const PickleEffect& first = call == group.effects.end() ? *group.effects.front() : **call;
  Finding finding;
  finding.severity = is_dangerous(first) ? Severity::kError : Severity::kWarning;
  const bool certain = first.risk || first.kind == Kind::kComputedName;
  finding.confidence =
      finding.severity == Severity::kError && certain ? Confidence::kHigh : Confidence::kMedium;
  finding.where.member = program.name;
  finding.where.bytes = first.where;
  finding.message = message_of(first);
  finding.key = first.name;

  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < group.effects.size() && i < kShown; ++i) {
    const PickleEffect& effect = *group.effects[i];
    const bool import = effect.kind == Kind::kImportsRisky;
    finding.evidence.push_back(
        {"pickle", fmt::format("{}{} at bytes {}..{} of {}",
                               &effect == &first ? "" : fmt::format("`{}` ", effect.shown),
                               import ? "imported" : effect.route, effect.where.offset,
                               effect.where.offset + effect.where.length, program.name)});
    if (import && !effect.route.empty()) finding.evidence.push_back({"pickle", effect.route});
  }
  if (group.effects.size() > kShown) {
    finding.evidence.push_back(
        {"pickle", fmt::format("and {} more times", group.effects.size() - kShown)});
  }
  if (first.risk && first.kind != Kind::kImportsRisky) {
    finding.evidence.push_back({"pickle", fmt::format("`{}` {}", first.name, first.risk->reason)});
  }
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const PickleProgram& program : artifact.pickles) {
    const std::vector<PickleEffect> effects = effects_of(artifact.objects, program);
    const bool in_program = artifact.format == Format::kExportedProgram;
    if (in_program && std::none_of(effects.begin(), effects.end(), is_dangerous)) continue;  // PKL009
    std::vector<Group> groups;
    std::map<std::pair<Kind, std::string_view>, std::size_t> places;
    for (const PickleEffect& effect : effects) {
      const auto [place, is_new] =
          places.emplace(std::pair(effect.kind, std::string_view(effect.name)), groups.size());
      if (is_new) groups.emplace_back();
      groups[place->second].effects.push_back(&effect);
    }
    for (const Group& group : groups) {
      Finding& finding = findings.emplace_back(finding_of(program, group));
      if (!in_program) continue;
      finding.why =
          "torch.export.load runs it: what weights_only=True refuses it loads again without "
          "restrictions";
      finding.help = "do not load the program; find out where the file comes from";
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule PKL001 = define_rule({
    .code = "PKL001",
    .name = "dangerous-call",
    .summary = "a pickle calls what no checkpoint needs to call",
    .why = "whoever loads the file without `weights_only=True` runs it",
    .help = "do not load it with weights_only=False; find out where the file comes from",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
