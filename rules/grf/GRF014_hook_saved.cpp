#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports hooks that were registered on a model when it was saved: in a whole pickled module those
whose code is not torch's own, in TorchScript those of the model itself.

## Why it matters
A pickled hook runs on every call wherever the file is loaded, and loading needs the module that its
code is in: prints for debugging and caches of features travel that way. A scripted model runs the
hooks of its submodules as part of its `forward`, but its own only when the model is called:
`model(x)` runs them and `model.forward(x)`, the usual call from C++, does not.

## Example
```python
net.encoder.register_forward_hook(print_shape)
torch.save(net, "net.pt")                           # GRF014
```

## What to do
Remove the hook before saving (`handle.remove()`), or write what it does into `forward()`.

## Limits
Silent about hooks of torch itself (weight norm, pruning, observers), about hooks on gradients of
tensors, which are never saved, and about hooks of submodules in TorchScript. A trace and a program of
torch.export hold what a hook did, not the hook. On 266 scripted files of sound nets: none; on whole
modules it is not measured, but it only says which hooks are there.

## References
`torch.nn.Module.register_forward_hook`; `torch::jit::Module::operator()` and `forward`, measured with
torch 2.13 in Python and in C++.
)md";

/// The fields of a module that hold hooks which run with it.
constexpr std::string_view kFields[] = {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks",
                                        "_backward_pre_hooks"};

/// "tools.print_shape", "tools.Cache.keep" of a bound method, the function in a partial.
std::string name_of_hook(const ObjectTree& objects, ObjectId hook) {
  std::string name = objects.qualified_name(hook);
  const Object::Call* call = objects.as<Object::Call>(hook);
  const std::vector<ObjectId>* arguments =
      call != nullptr ? objects.sequence(call->arguments) : nullptr;
  if (arguments == nullptr || arguments->empty()) return name;
  if (name == "functools.partial") return objects.qualified_name(arguments->front());
  if (name != "builtins.getattr" || arguments->size() < 2) return name;
  const std::string owner = objects.qualified_name(arguments->front());
  return owner + "." + std::string(objects.text((*arguments)[1]).value_or("?"));
}

struct Hooked {
  std::string_view path;  ///< of the first module that has the hook
  std::size_t modules = 0;
};

void look_at_modules(const Artifact& artifact, std::vector<Finding>& findings) {
  if (artifact.kind == Kind::kTorchScript || artifact.pickles.empty()) return;
  std::map<std::string, Hooked> hooks;
  for (const Module& module : artifact.modules) {
    const ObjectId attributes = artifact.objects.attributes(module.object);
    for (const std::string_view field : kFields) {
      const auto* entries = artifact.objects.mapping(artifact.objects.get(attributes, field));
      if (entries == nullptr) continue;
      for (const auto& [key, hook] : *entries) {
        const std::string name = name_of_hook(artifact.objects, hook);
        if (name.empty() || name.starts_with("torch.")) continue;
        Hooked& hooked = hooks.try_emplace(name, Hooked{module.path, 0}).first->second;
        ++hooked.modules;
      }
    }
  }
  for (const auto& [name, hooked] : hooks) {
    Finding finding;
    finding.severity = Severity::kNote;
    finding.where.member = artifact.pickles.front().name;
    finding.where.object_path = hooked.path;
    finding.message = fmt::format("the hook `{}` is saved with the model", name);
    finding.evidence.push_back(
        {"module",
         fmt::format("it is registered on {}{}",
                     hooked.path.empty() ? "the model itself" : fmt::format("`{}`", hooked.path),
                     hooked.modules > 1 ? fmt::format(" and {} more", hooked.modules - 1) : "")});
    finding.key = name;
    findings.push_back(std::move(finding));
  }
}

/// The hooks in one line of a class header: `  __forward_hooks__ = ["scale", ]`.
std::vector<std::string_view> hooks_in(std::string_view line) {
  std::vector<std::string_view> names;
  if (!line.starts_with("  __forward_hooks__ = ") &&
      !line.starts_with("  __forward_pre_hooks__ = ")) {
    return names;
  }
  for (std::size_t at = line.find('"'); at != std::string_view::npos; at = line.find('"', at + 1)) {
    const std::size_t end = line.find('"', at + 1);
    if (end == std::string_view::npos) break;
    names.push_back(line.substr(at + 1, end - at - 1));
    at = end;
  }
  return names;
}

/// The class "__torch__.net.Net" stands in "__torch__/net.py" as `class Net(Module):`.
std::vector<std::string_view> hooks_of_root(const ScriptInfo& script) {
  const std::size_t dot = script.root_class.rfind('.');
  if (dot == std::string::npos) return {};
  std::string file = script.root_class.substr(0, dot) + ".py";
  std::replace(file.begin(), file.end() - 3, '.', '/');
  const std::string header = fmt::format("class {}(", script.root_class.substr(dot + 1));
  std::vector<std::string_view> hooks;
  for (const CodeFile& code : script.code) {
    if (code.name != file) continue;
    bool inside = false;
    for (std::string_view left = code.text; !left.empty();) {
      const std::string_view line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(line.size() + 1, left.size()));
      if (!line.starts_with(' ')) inside = line.starts_with(header);
      if (line.starts_with("  def ")) inside = false;
      if (!inside) continue;
      for (const std::string_view hook : hooks_in(line)) hooks.push_back(hook);
    }
  }
  return hooks;
}

void look_at_script(const Artifact& artifact, std::vector<Finding>& findings) {
  if (!artifact.script) return;
  for (const std::string_view hook : hooks_of_root(*artifact.script)) {
    Finding finding;
    finding.severity = Severity::kNote;
    finding.message = fmt::format(
        "the hook `{}` of the model runs only when the model is called, "
        "not in forward()",
        hook);
    finding.evidence.push_back(
        {"module",
         fmt::format("the class `{}` names it among its hooks, and its forward() does not "
                     "call it",
                     artifact.script->root_class)});
    finding.why = "forward(), the usual call from C++, leaves out what the hook does";
    finding.help = "write what it does into forward(), or remove it before scripting";
    finding.key = hook;
    findings.push_back(std::move(finding));
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  look_at_modules(artifact, findings);
  look_at_script(artifact, findings);
  return findings;
}

}  // namespace

extern constexpr Rule GRF014 = define_rule({
    .code = "GRF014",
    .name = "hook-saved",
    .summary = "a hook of the author is saved with the model",
    .why = "it runs on every call wherever the file is loaded, and loading needs its code",
    .help = "remove the hook before saving, with the handle that registering it returned",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
