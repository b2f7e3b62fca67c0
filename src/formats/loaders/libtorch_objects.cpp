// The objects of a TorchScript program. LibTorch takes the attributes that the code of the class
// declares out of a dict, whatever else is in that dict and whatever type they are of; a class with
// `__getstate__` and `__setstate__` makes of its state what it likes. Afterwards all modules are
// walked through.
//
// Source: `ScriptModuleDeserializer::readArchive` of torch/csrc/jit/serialization/import.cpp, 2.13.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/loaders/libtorch_unpickler.h"

namespace torchvet {

void LibtorchUnpickler::make_object(const Callee& maker) {
  const ScriptClass* type = maker.type;
  const Id state = pop();
  Value object = of(Kind::kObject);
  object.type = type;
  if (type == nullptr || type->pickles_itself()) return push(std::move(object));
  if (!expect(state, Kind::kGenericDict)) return;
  const std::vector<Id>& items = values_[state].items;
  if (!may_read(items.size()) || !may_read(type->attributes.size())) return;
  std::unordered_map<std::string_view, Id> found;
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const Value& key = values_[items[i]];
    if (key.kind == Kind::kString) found.insert_or_assign(key.text, items[i + 1]);
  }
  for (const ScriptAttribute& attribute : type->attributes) {
    const auto value = found.find(attribute.name);
    if (value == found.end()) {
      end_ = LoadOutcome::fails("std::out_of_range", "Argument passed to at() was not in the map.",
                                LoadProblem::kConstruct);
      cause_ = fmt::format("an object of class `{}` lacks `{}`, which the code of the class declares",
                           maker.class_name, attribute.name);
      return;
    }
    object.items.push_back(value->second);
  }
  const Id id = add(std::move(object));
  if (end_) return;
  for (const Id item : values_[id].items) {
    values_[id].depth = std::max(values_[id].depth, values_[item].depth + 1);
  }
  if (values_[id].depth > kDeepest) leave("objects nest so deep that LibTorch may die");
  stack_.push_back(id);
}

void LibtorchUnpickler::check_root() {
  using enum LibtorchReading::Root;
  const Id root = stack_.back();
  if (reading_.root == kTuple) (void)expect(root, Kind::kTuple);
  if (reading_.root == kModule && expect(root, Kind::kObject)) check_submodules(root);
}

void LibtorchUnpickler::check_submodules(Id root) {
  std::vector<bool> seen(values_.size());
  std::vector<Id> left = {root};
  while (!left.empty() && !end_) {
    const Id id = left.back();
    left.pop_back();
    if (seen[id]) continue;
    seen[id] = true;
    const Value& module = values_[id];
    for (std::size_t i = module.items.size(); i-- > 0;) {
      const auto type = reading_.classes->find(module.type->attributes[i].type);
      const bool is_module =
          type != reading_.classes->end() &&
          (type->second.is_module || type->second.base == "ModuleInterface");
      if (!is_module) continue;
      if (!expect(module.items[i], Kind::kObject)) {
        cause_ = fmt::format("`{}` should be a module of class `{}`", module.type->attributes[i].name,
                             type->first);
        return;
      }
      left.push_back(module.items[i]);
    }
  }
}

}  // namespace torchvet
