// Names that no model has: two state_dicts in one. A wrapper has one child, so a part that is
// private to it says that all tensors of that module lie below it. `module` says so only together
// with a proof, for the model may have an attribute of this name and others beside it.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/key_prefixes.h"
#include "model/name_parts.h"
#include "model/weights.h"

namespace torchvet {
namespace {

/// Calls `look_at` with each name, the parts before one of its parts, and that part.
template <typename Look>
void each_part(const StateDict& state, const Look& look_at) {
  for (const StateEntry& entry : state.entries) {
    const std::string_view name = entry.name;
    for (std::size_t at = 0;;) {
      const std::size_t dot = name.find('.', at);
      look_at(name, name.substr(0, at == 0 ? 0 : at - 1), name.substr(at, dot - at));
      if (dot == std::string_view::npos) break;
      at = dot + 1;
    }
  }
}

void find_mixed_private(const StateDict& state, std::vector<MixedNames>& mixed) {
  // The place of a wrapper's part in a name is the module that was wrapped.
  std::unordered_map<std::string_view, std::size_t> places;
  std::vector<MixedNames> wrapped;
  each_part(state, [&](std::string_view name, std::string_view parent, std::string_view part) {
    if (!private_part(part) || name.size() == parent.size() + 1 + part.size()) return;
    const auto [place, added] = places.emplace(parent, wrapped.size());
    if (added) {
      MixedNames& found = wrapped.emplace_back();
      found.part = part;
      found.parent = parent;
      found.with_example = name;
    }
    if (wrapped[place->second].part == part) ++wrapped[place->second].with;
  });
  if (wrapped.empty()) return;
  each_part(state, [&](std::string_view name, std::string_view parent, std::string_view part) {
    const auto place = places.find(parent);
    // FSDP keeps its flat parameter beside the module, Lightning's wrapper the original module.
    if (place == places.end() || part == "_original_module" || is_flat_parameter(leaf_of(name)))
      return;
    MixedNames& found = wrapped[place->second];
    if (part != found.part && found.without++ == 0) found.without_example = name;
  });
  for (MixedNames& found : wrapped) {
    if (found.without == 0) continue;
    found.proof = "a module that is wrapped has all its tensors below `" + found.part + "`";
    mixed.push_back(std::move(found));
  }
}

/// Where a name stands in a numbered container: "layers" and 3 of "layers.3.weight".
std::optional<std::pair<std::string, std::uint64_t>> numbered(const NameParts& parts,
                                                              std::size_t first) {
  for (std::size_t i = first; i + 1 < parts.size(); ++i) {
    if (!is_number(parts[i])) continue;
    if (parts[i].size() > 6) return std::nullopt;
    return std::pair(joined(parts, first, i), std::stoull(std::string(parts[i])));
  }
  return std::nullopt;
}

class MixedModule {
 public:
  MixedModule(const Artifact& artifact, const StateDict& state) : artifact_(artifact) {
    for (const StateEntry& entry : state.entries) {
      NameParts parts = without_private(parts_of(entry.name), true);
      const bool inside = parts.size() > 1 && parts.front() == kModulePart;
      (inside ? inside_ : outside_).push_back({&entry, std::move(parts)});
    }
    if (!state.modules) return;
    modules_.emplace();
    for (const std::string& module : *state.modules) {
      modules_->insert(joined(without_private(parts_of(module), false)));
    }
  }

  void find(std::vector<MixedNames>& mixed) const;

 private:
  struct Name {
    const StateEntry* entry;
    NameParts parts;
  };
  std::string proof_of_metadata() const;
  std::string proof_of_twins() const;
  std::string proof_of_numbers() const;

  const Artifact& artifact_;
  std::vector<Name> inside_, outside_;
  std::optional<std::unordered_set<std::string>> modules_;
};

/// `_metadata` is from the state_dict that one of the two came from: it knows their modules only in
/// one of the two forms.
std::string MixedModule::proof_of_metadata() const {
  const auto owner = [](const Name& name, std::size_t first) {
    return joined(name.parts, first, name.parts.size() - 1);
  };
  for (const Name& name : outside_) {
    const std::string module = owner(name, 0);
    if (module.empty() || modules_->contains(module)) continue;
    if (modules_->contains("module." + module)) {
      return "`_metadata` knows the module `module." + module + "` and no `" + module + "`";
    }
  }
  for (const Name& name : inside_) {
    const std::string module = owner(name, 0);
    const std::string bare = owner(name, 1);
    if (bare.empty() || modules_->contains(module)) continue;
    if (modules_->contains(bare)) {
      return "`_metadata` knows the module `" + bare + "` and no `" + module + "`";
    }
  }
  return "";
}

/// The whole model twice: nearly always two state_dicts in one, but an author may hold a copy of a
/// model within itself.
std::string MixedModule::proof_of_twins() const {
  if (inside_.size() != outside_.size() || inside_.size() < 2) return "";
  std::unordered_map<std::string, TensorId> bare;
  for (const Name& name : inside_) bare.emplace(joined(name.parts, 1), name.entry->tensor);
  for (const Name& name : outside_) {
    const auto twin = bare.find(joined(name.parts));
    if (twin == bare.end()) return "";
    const Tensor& a = artifact_.tensors[twin->second];
    const Tensor& b = artifact_.tensors[name.entry->tensor];
    if (a.shape != b.shape || a.dtype != b.dtype) return "";
  }
  return "each tensor is there twice, with it and without, in the same shape";
}

/// The numbers of a list of layers, some of which have the prefix: 0 to 5 with, 6 to 11 without.
std::string MixedModule::proof_of_numbers() const {
  using Numbers = std::map<std::string, std::set<std::uint64_t>>;
  Numbers with, without;
  for (const Name& name : inside_) {
    if (const auto place = numbered(name.parts, 1)) with[place->first].insert(place->second);
  }
  for (const Name& name : outside_) {
    if (const auto place = numbered(name.parts, 0)) without[place->first].insert(place->second);
  }
  const auto holes = [](const std::set<std::uint64_t>& numbers) {
    return *numbers.rbegin() + 1 != numbers.size();
  };
  for (const auto& [list, numbers] : without) {
    const auto other = with.find(list);
    if (other == with.end() || (!holes(numbers) && !holes(other->second))) continue;
    std::set<std::uint64_t> all = numbers;
    all.insert(other->second.begin(), other->second.end());
    if (all.size() != numbers.size() + other->second.size() || holes(all)) continue;
    return "the layers of one list, " + std::to_string(all.size()) + " below `" + list +
           "`, have it in part";
  }
  return "";
}

void MixedModule::find(std::vector<MixedNames>& mixed) const {
  if (inside_.empty() || outside_.empty()) return;
  MixedNames found;
  found.proof = modules_ ? proof_of_metadata() : proof_of_numbers();
  found.certainty = modules_ ? Certainty::kProven : Certainty::kLikely;
  if (found.proof.empty() && !modules_) {
    found.proof = proof_of_twins();
    found.certainty = Certainty::kPossible;
  }
  if (found.proof.empty()) return;
  found.part = kModulePart;
  found.with = inside_.size();
  found.without = outside_.size();
  found.with_example = inside_.front().entry->name;
  found.without_example = outside_.front().entry->name;
  mixed.push_back(std::move(found));
}

}  // namespace

std::vector<MixedNames> mixed_names(const Artifact& artifact, const StateDict& state) {
  std::vector<MixedNames> mixed;
  find_mixed_private(state, mixed);
  MixedModule(artifact, state).find(mixed);
  return mixed;
}

std::vector<KeyUnderTensor> keys_under_tensors(const StateDict& state) {
  std::unordered_set<std::string_view> names;
  for (const StateEntry& entry : state.entries) names.insert(entry.name);
  std::vector<KeyUnderTensor> found;
  for (const StateEntry& entry : state.entries) {
    const std::string_view name = entry.name;
    if (!is_weight_name(name) && !is_buffer_like(name)) continue;
    for (std::size_t dot = name.rfind('.'); dot != std::string_view::npos && dot > 0;
         dot = name.rfind('.', dot - 1)) {
      if (!names.contains(name.substr(0, dot))) continue;
      found.push_back({std::string(name.substr(0, dot)), std::string(name)});
      break;
    }
  }
  return found;
}

}  // namespace torchvet
