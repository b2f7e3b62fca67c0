#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "model/pickle_reports.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file that holds a whole `nn.Module` object instead of its state_dict, and lists the Python
modules that must be importable, under these names, to load it.

## Why it matters
Such a file holds no code, only the names of classes and the attributes of each object. It stops
loading when a class is renamed, moved or is not installed, it restores attributes without calling
`__init__`, so it may load and then fail in `forward`, and `torch.load` refuses it unless the caller
gives up the protection of `weights_only=True`.

## Example
```
the file holds a whole `shop.models.Net`, not its state_dict
  module  needs shop.models (Net, Block)
  module  needs 3 classes of torch.nn: BatchNorm1d, Linear, ReLU
```

## What to do
Save `model.state_dict()`, and with it what the constructor needs. To repair this file, load it once
where its code is installed, with `weights_only=False` and only if you trust it, and save the
state_dict. To ship the program together with its weights, use `torch.export`.

## Limits
Only modules found in the object itself or in the dicts and lists around it are reported. Which
version of the classes' code the file needs cannot be told. A pickled optimizer is not reported.

## References
"Saving and Loading Models" in torch's tutorials; `torch.load` and `weights_only` in torch's
documentation.
)md";

bool is_in(std::string_view module, std::string_view package) {
  return module == package || (module.size() > package.size() && module.starts_with(package) &&
                               module[package.size()] == '.');
}

/// What every torch has: names of these packages are nothing to install.
bool comes_with_torch(std::string_view module) {
  static constexpr std::string_view kPackages[] = {
      "torch",   "builtins",   "collections", "_codecs", "copyreg", "functools", "typing",
      "pathlib", "datetime",   "enum",        "types",   "re",      "operator",  "itertools",
      "weakref", "contextlib", "decimal",     "uuid",    "random",  "argparse",  "logging"};
  return std::any_of(std::begin(kPackages), std::end(kPackages),
                     [module](std::string_view package) { return is_in(module, package); });
}

using Names = std::set<std::string_view>;

std::string listed(const Names& names) {
  constexpr std::size_t kShown = 12;
  std::string text;
  std::size_t count = 0;
  for (const std::string_view name : names) {
    if (count == kShown) {
      return text + fmt::format(", and {} more", names.size() - kShown);
    }
    if (count++ > 0) text += ", ";
    text += name;
  }
  return text;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  if (!holds_whole_module(artifact)) return {};

  std::map<std::string_view, Names> needed;
  Names torch_classes;
  for (const PickleProgram& program : artifact.pickles) {
    for (const PickleProgram::Import& import : program.imports) {
      if (is_in(import.module, "torch.nn.modules")) torch_classes.insert(import.name);
      if (!comes_with_torch(import.module)) needed[import.module].insert(import.name);
    }
  }

  std::vector<Finding> findings;
  for (const Module& module : artifact.modules) {
    if (!is_pickled_whole(module)) continue;
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.where.member = artifact.pickles.front().name;
    finding.where.object_path = module.path;
    finding.key = module.class_name;
    finding.message = fmt::format(
        "{} holds a whole `{}`, not its state_dict",
        module.path.empty() ? "the file" : fmt::format("`{}`", module.path), module.class_name);
    constexpr std::size_t kShown = 20;
    std::size_t shown = 0;
    for (const auto& [name, classes] : needed) {
      if (shown++ == kShown) {
        finding.evidence.push_back(
            {"module", fmt::format("needs {} more Python modules", needed.size() - kShown)});
        break;
      }
      finding.evidence.push_back(
          {"module", name == "__main__"
                         ? fmt::format("needs __main__ ({}): defined in the script that saved, so "
                                       "no other program can load it",
                                       listed(classes))
                         : fmt::format("needs {} ({})", name, listed(classes))});
    }
    if (!torch_classes.empty()) {
      finding.evidence.push_back(
          {"module", fmt::format("needs {} class{} of torch.nn: {}", torch_classes.size(),
                                 torch_classes.size() == 1 ? "" : "es", listed(torch_classes))});
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule PKL004 = define_rule({
    .code = "PKL004",
    .name = "whole-module-pickled",
    .summary = "a whole nn.Module is pickled instead of its state_dict",
    .why = "it loads only where the same classes are importable, and not with weights_only=True",
    .help = "save model.state_dict() and build the model in code",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
