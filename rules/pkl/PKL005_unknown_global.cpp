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
Lists the names that a pickle imports and of which nothing is known here: they belong to none of torch, Python's
data types and the libraries that write checkpoints, and are in no table of dangerous names. Whoever loads the
pickle imports their modules, which runs the code of these.

It says nothing where another finding tells the names already: PKL001 for what it finds called, PKL002 for what
`weights_only=True` refuses, PKL004 for the classes of a whole module, PKL009 for exported programs.

## Why it matters
The file needs these modules to load, under these names. What they do is up to whoever wrote them.

## Example
```
pickle.dump({"weights": arrays, "config": shop.config.Config()}, open("model.pkl", "wb"))
```

## What to do
See that the modules are the ones you expect, and installed; or save plain values instead of objects.

## Limits
A name that is not listed is not safe: it is known who made it, not what a call of it with the arguments of the
file does. `copyreg`'s extension codes are listed by number.

## References
Python's documentation of `pickle` ("The pickle module is not secure").
)md";

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  constexpr std::size_t kInMessage = 8;
  if (artifact.format == Format::kExportedProgram || holds_whole_module(artifact)) return {};
  const LoaderPrediction* said = refused_by_weights_only(artifact);
  if (said != nullptr && !said->names.empty()) return {};
  std::vector<Finding> findings;
  for (const PickleProgram& pickle : artifact.pickles) {
    std::set<std::string> told;
    for (const PickleEffect& effect : effects_of(artifact.objects, pickle)) told.insert(effect.name);
    std::set<std::string> unknown;
    ByteRange first;
    for (const PickleProgram::Import& import : pickle.imports) {
      const std::string name = import.module + "." + import.name;
      if (import.computed || is_known_name(import.module, import.name) ||
          risk_of_global(import.module, import.name) || told.contains(name)) {
        continue;
      }
      if (unknown.empty()) first = import.where;
      unknown.insert(name);
    }
    if (unknown.empty()) continue;
    Finding finding;
    finding.severity = Severity::kNote;
    finding.where.member = pickle.name;
    finding.where.bytes = first;
    finding.message = fmt::format(
        "loading imports {}, of which nothing is known here",
        listed_names(std::vector<std::string>(unknown.begin(), unknown.end()), kInMessage));
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule PKL005 = define_rule({
    .code = "PKL005",
    .name = "unknown-global",
    .summary = "a pickle imports names of which nothing is known",
    .why = "loading imports these modules, which runs their code",
    .help = "see that these modules are the ones you expect",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kLoaders,
    .doc = kDoc,
    .check = check,
    .loader = kWeightsOnlyLoader,
});

}  // namespace torchvet::rules
