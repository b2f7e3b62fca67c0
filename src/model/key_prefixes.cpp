// A wrapper is a module with one child, the model; its state_dict has the child's name in front of
// every name. Most wrappers call the child something private, `_orig_mod`, which proves them. Those
// of data parallel training say `module`, which is a usual name for an attribute too, so for these
// it is the rest of the names that must speak.
#include "model/key_prefixes.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "model/name_parts.h"
#include "model/weights.h"

namespace torchvet {
namespace {

constexpr std::string_view kModuleMaker = "DataParallel or DistributedDataParallel";
constexpr std::size_t kMostNested = 4;
constexpr std::string_view kLightningVersion = "pytorch-lightning_version";

bool is_identifier(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](unsigned char c) {
    return c == '_' || (c < 0x80 && std::isalnum(c) != 0);
  });
}

bool is_from_lightning(const Artifact& artifact) {
  if (artifact.pickles.empty()) return false;
  return artifact.objects.get(artifact.pickles.front().root, kLightningVersion) != kNoObject;
}

/// The names of one state_dict, first without private parts, then without more and more.
class Names {
 public:
  Names(const Artifact& artifact, const StateDict& state) : state_(state) {
    for (const StateEntry& entry : state.entries) {
      names_.push_back(without_private(parts_of(entry.name), true));
    }
    if (state.modules) {
      modules_.emplace();
      for (const std::string& module : *state.modules) {
        modules_->push_back(without_private(parts_of(module), false));
      }
    }
    lightning_ = is_from_lightning(artifact);
  }

  void find_private(WrappedNames& found) const;
  void strip_root_module(WrappedNames& found);
  void strip_inner_modules(WrappedNames& found);
  void find_steps(WrappedNames& found) const;

 private:
  bool only_child(std::size_t depth, std::string_view parent) const;

  const StateDict& state_;
  std::vector<NameParts> names_;
  std::optional<std::vector<NameParts>> modules_;  ///< of `_metadata`
  bool lightning_ = false;
  std::size_t stripped_ = 0;  ///< how often `module` was taken off the root
};

void Names::find_private(WrappedNames& found) const {
  for (const PrivatePart& known : kPrivateParts) {
    WrapperUse use;
    use.part = known.part;
    use.maker = known.maker;
    use.certain = true;
    for (const StateEntry& entry : state_.entries) {
      const NameParts parts = parts_of(entry.name);
      if (std::find(parts.begin(), parts.end() - 1, known.part) == parts.end() - 1) continue;
      if (use.names++ == 0) use.example = entry.name;
      if (is_flat_parameter(parts.back())) found.flattened = true;
    }
    if (use.names > 0) found.uses.push_back(std::move(use));
  }
}

/// Whether `_metadata`, where there is one, knows no module beside `module` at a place: at the root
/// (depth 0), or below one of its children (depth 1).
bool Names::only_child(std::size_t depth, std::string_view parent) const {
  if (!modules_) return true;
  return std::all_of(modules_->begin(), modules_->end(), [&](const NameParts& module) {
    if (module.size() <= depth || module[depth].empty()) return true;
    return (depth == 1 && module[0] != parent) || module[depth] == kModulePart;
  });
}

void Names::strip_root_module(WrappedNames& found) {
  if (lightning_ || names_.empty()) return;
  while (
      stripped_ < kMostNested && only_child(0, "") &&
      std::all_of(
          names_.begin(), names_.end(),
          [](const NameParts& name) { return name.size() > 1 && name.front() == kModulePart; })) {
    for (NameParts& name : names_) name.erase(name.begin());
    if (modules_) {
      for (NameParts& module : *modules_) {
        if (!module.empty()) module.erase(module.begin());
      }
    }
    ++stripped_;
  }
  if (stripped_ == 0) return;
  WrapperUse use;
  use.part = kModulePart;
  use.maker = kModuleMaker;
  use.names = names_.size();
  use.example = state_.entries.front().name;
  found.uses.push_back(std::move(use));
}

void Names::strip_inner_modules(WrappedNames& found) {
  if (lightning_) return;
  struct Child {
    std::uint64_t names = 0, wrapped = 0;
    std::size_t first = 0;
  };
  std::map<std::string_view, Child> children;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const NameParts& name = names_[i];
    // Deeper, or at the root beside others, it is an attribute; then it may be one everywhere.
    for (std::size_t at = 0; at + 1 < name.size(); ++at) {
      if (at != 1 && name[at] == kModulePart) return;
    }
    Child& child = children[name.front()];
    if (child.names++ == 0) child.first = i;
    if (name.size() > 2 && name[1] == kModulePart) ++child.wrapped;
  }
  for (const auto& [name, child] : children) {
    if (child.wrapped == 0) continue;
    const bool ordinary = child.wrapped < child.names || is_number(name) || !is_identifier(name);
    if (ordinary || !only_child(1, name)) return;
  }
  for (const auto& [name, child] : children) {
    if (child.wrapped == 0) continue;
    WrapperUse use;
    use.part = kModulePart;
    use.below = name;
    use.maker = kModuleMaker;
    use.names = child.names;
    use.example = state_.entries[child.first].name;
    found.uses.push_back(std::move(use));
  }
  for (NameParts& name : names_) {
    if (name.size() > 2 && name[1] == kModulePart) name.erase(name.begin() + 1);
  }
}

/// How many parts at the begin of a name come from wrappers.
std::size_t wrapped_begin(const NameParts& parts, std::size_t modules) {
  std::size_t at = 0;
  for (; at + 1 < parts.size(); ++at) {
    if (private_part(parts[at])) continue;
    if (parts[at] != kModulePart || modules == 0) break;
    --modules;
  }
  return at;
}

void Names::find_steps(WrappedNames& found) const {
  if (found.uses.empty() || found.flattened) return;
  std::vector<RenameStep> steps;
  const NameParts first = parts_of(state_.entries.front().name);
  const std::size_t begin = wrapped_begin(first, stripped_);
  const std::string prefix = begin == 0 ? "" : joined(first, 0, begin) + ".";
  const bool common = std::all_of(
      state_.entries.begin(), state_.entries.end(),
      [&](const StateEntry& entry) { return std::string_view(entry.name).starts_with(prefix); });
  if (!prefix.empty() && common) steps.push_back({true, prefix, ""});
  for (const WrapperUse& use : found.uses) {
    if (use.certain) {
      const std::string text = use.part + ".";
      const bool left =
          std::any_of(state_.entries.begin(), state_.entries.end(), [&](const StateEntry& entry) {
            return renamed(entry.name, steps).find(text) != std::string::npos;
          });
      if (left) steps.push_back({false, text, ""});
    } else if (!use.below.empty()) {
      steps.push_back({false, use.below + "." + use.part + ".", use.below + "."});
    }
  }
  std::unordered_set<std::string> results;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string result = renamed(state_.entries[i].name, steps);
    if (result != joined(names_[i]) || !results.insert(result).second) return;
  }
  found.steps = std::move(steps);
}

}  // namespace

std::vector<const StateDict*> saved_state_dicts(const Artifact& artifact) {
  std::vector<const StateDict*> saved;
  if (artifact.kind == Kind::kTorchScript || artifact.kind == Kind::kExportedProgram) return saved;
  std::unordered_set<ObjectId> modules;
  for (const Module& module : artifact.modules) modules.insert(module.object);
  for (const StateDict& state : artifact.state_dicts) {
    const bool is_module = state.object != kNoObject && modules.contains(state.object);
    if (!is_module && is_own_model(artifact, state)) saved.push_back(&state);
  }
  return saved;
}

WrappedNames wrapped_names(const Artifact& artifact, const StateDict& state) {
  WrappedNames found;
  if (state.entries.empty()) return found;
  Names names(artifact, state);
  names.strip_root_module(found);
  names.find_private(found);
  names.strip_inner_modules(found);
  names.find_steps(found);
  return found;
}

std::string renamed(std::string_view name, const std::vector<RenameStep>& steps) {
  std::string result(name);
  for (const RenameStep& step : steps) {
    if (step.at_begin) {
      if (result.starts_with(step.from)) result.erase(0, step.from.size());
      continue;
    }
    for (std::size_t at = result.find(step.from); at != std::string::npos;
         at = result.find(step.from, at + step.to.size())) {
      result.replace(at, step.from.size(), step.to);
    }
  }
  return result;
}

std::string python_rename(const std::vector<RenameStep>& steps, std::string_view variable) {
  const std::string dict(variable);
  if (steps.size() == 1 && steps.front().at_begin) {
    return "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(" + dict + ", \"" +
           steps.front().from + "\")";
  }
  std::string key = "k";
  for (const RenameStep& step : steps) {
    key += step.at_begin ? ".removeprefix(\"" + step.from + "\")"
                         : ".replace(\"" + step.from + "\", \"" + step.to + "\")";
  }
  return dict + " = {" + key + ": v for k, v in " + dict + ".items()}";
}

}  // namespace torchvet
