// What the opcodes that change objects check, each in the order in which torch does.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "formats/loaders/weights_only.h"
#include "formats/pickle/opcodes.h"

namespace torchvet {
namespace {

bool is_dict(LoadedKind kind) {
  return kind == LoadedKind::kDict || kind == LoadedKind::kOrderedDict ||
         kind == LoadedKind::kCounter;
}

std::size_t code_points(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0) != 0x80; }));
}

constexpr std::string_view kBuild = "BUILD changes an object in a way that is not followed here";
constexpr std::string_view kNotFollowed = "it depends on an object that is not followed here";

}  // namespace

void RestrictedUnpickler::append(std::uint8_t code) {
  const bool one = code == static_cast<std::uint8_t>(Opcode::kAppend);
  const std::vector<LoadedId> items = one ? std::vector<LoadedId>{pop()} : pop_mark();
  const LoadedId target = top();
  if (end_) return;
  Loaded& list = values_[target];
  if (list.kind == LoadedKind::kForeign) return leave(std::string(kNotFollowed));
  if (list.kind != LoadedKind::kList) {
    return refuse(fmt::format("Can only {} lists, but got <class '{}'>",
                              one ? "append to" : "extend", type_name(list)));
  }
  list.items.insert(list.items.end(), items.begin(), items.end());
}

Hash RestrictedUnpickler::hash_of(LoadedId id) const {
  switch (values_[id].kind) {
    case LoadedKind::kTuple:
      return values_[id].tuple_hash;
    case LoadedKind::kList:
    case LoadedKind::kSet:
    case LoadedKind::kDict:
    case LoadedKind::kOrderedDict:
    case LoadedKind::kCounter:
    case LoadedKind::kByteArray:
      return Hash::kIsNot;
    case LoadedKind::kStorage:
    case LoadedKind::kForeign:
      return Hash::kUnknown;
    default:
      return Hash::kIs;
  }
}

/// A tuple knows from the start what its hash would be: it may be the key of many dicts.
void RestrictedUnpickler::push_tuple(std::vector<LoadedId> items) {
  constexpr std::int64_t kMostNested = 10'000;
  Loaded tuple;
  tuple.kind = LoadedKind::kTuple;
  tuple.number = 1;
  for (const LoadedId item : items) {
    tuple.number += values_[item].kind == LoadedKind::kTuple ? values_[item].number : 1;
    tuple.tuple_hash = tuple.number > kMostNested ? Hash::kTooMany : hash_of(item);
    if (tuple.tuple_hash != Hash::kIs) break;
  }
  tuple.items = std::move(items);
  push_value(std::move(tuple));
}

/// Whether Python can hash the value; raises where it cannot.
bool RestrictedUnpickler::can_be_key(LoadedId id) {
  switch (hash_of(id)) {
    case Hash::kIs:
      return true;
    case Hash::kIsNot:
      fail("TypeError", "unhashable type: ");
      return false;
    case Hash::kUnknown:
      leave(std::string(kNotFollowed));
      return false;
    case Hash::kTooMany:
      leave("a key is a large tuple", LoadProblem::kOutside);
      return false;
  }
  return false;
}

void RestrictedUnpickler::set_items(std::uint8_t code) {
  constexpr TorchRelease kTargetsChecked = {2, 13};
  const bool one = code == static_cast<std::uint8_t>(Opcode::kSetItem);
  std::vector<LoadedId> items;
  if (one) {
    const LoadedId value = pop(), key = pop();
    items = {key, value};
  } else {
    items = pop_mark();
  }
  const LoadedId target = top();
  if (end_) return;
  const Loaded& into = values_[target];
  if (into.kind == LoadedKind::kForeign) return leave(std::string(kNotFollowed));
  if (!is_dict(into.kind)) {
    if (release_ < kTargetsChecked) return leave("items are set on an object that is no dict");
    return refuse(
        fmt::format("Can only {} for dict, collections.OrderedDict, collections.Counter, but got "
                    "<class '{}'>",
                    one ? "SETITEM" : "SETITEMS", type_name(into)));
  }
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (i + 1 == items.size()) return fail("IndexError", "list index out of range");
    if (!can_be_key(items[i])) return;
    values_[target].items.insert(values_[target].items.end(), {items[i], items[i + 1]});
  }
}

/// bool(value), where it is known without asking torch.
std::optional<bool> RestrictedUnpickler::truth(LoadedId id) const {
  const Loaded& value = values_[id];
  switch (value.kind) {
    case LoadedKind::kNone:
      return false;
    case LoadedKind::kBool:
    case LoadedKind::kInt:
    case LoadedKind::kFloat:
      return value.number != 0;
    case LoadedKind::kText:
      return !value.text.empty();
    case LoadedKind::kTuple:
    case LoadedKind::kSize:
    case LoadedKind::kList:
    case LoadedKind::kDict:
    case LoadedKind::kOrderedDict:
    case LoadedKind::kCounter:
      return !value.items.empty();
    case LoadedKind::kGlobal:
      return true;
    default:
      return std::nullopt;
  }
}

void RestrictedUnpickler::persistent() {
  const LoadedId popped = pop();
  if (end_) return;
  const Loaded& id = values_[popped];
  if (id.kind == LoadedKind::kForeign) return leave(std::string(kNotFollowed));
  const bool whole = id.kind == LoadedKind::kInt || id.kind == LoadedKind::kBigInt;
  if (id.kind != LoadedKind::kTuple && !whole) {
    return refuse(fmt::format("persistent_load id must be tuple or int, but got <class '{}'>",
                              type_name(id)));
  }
  if (!whole && !id.items.empty()) {
    const Loaded& tag = values_[id.items.front()];
    if (tag.kind == LoadedKind::kForeign || tag.kind == LoadedKind::kTensor ||
        tag.kind == LoadedKind::kParameter || tag.kind == LoadedKind::kBytes) {
      return leave(std::string(kNotFollowed));
    }
    if (tag.kind != LoadedKind::kText || tag.text != "storage") {
      return refuse(fmt::format("Only persistent_load of storage is allowed, but got <class '{}'>",
                                type_name(tag)));
    }
  }
  if (!storages_.has_storages()) {
    return refuse("unsupported persistent id encountered");
  }
  if (whole) return fail("AssertionError", "saved_id must be a tuple, got int");
  if (id.items.empty()) return fail("IndexError", "tuple index out of range");

  const std::size_t wanted = storages_.items();
  if (id.items.size() != wanted + 1) {
    const bool few = id.items.size() < wanted + 1;
    return fail("ValueError", few ? fmt::format("not enough values to unpack (expected {}, got {})",
                                                wanted, id.items.size() - 1)
                                  : fmt::format("too many values to unpack (expected {}", wanted));
  }
  const Loaded& type = values_[id.items[1]];
  const Loaded& key = values_[id.items[2]];
  const Loaded& location = values_[id.items[3]];
  const Loaded& numel = values_[id.items[4]];
  StorageQuestion question;
  const bool untyped =
      type.kind == LoadedKind::kGlobal && type.allowed->name == "torch.storage.UntypedStorage";
  if (untyped && wanted == 4) {
    question.dtype = DType::kUint8;
  } else if (type.kind == LoadedKind::kGlobal && type.allowed->kind == AllowedKind::kStorageType) {
    const std::string_view name = type.allowed->name;
    question.dtype =
        dtype_from_storage_class(name.substr(name.rfind('.') + 1)).value_or(DType::kUnknown);
  } else if (type.kind == LoadedKind::kText || type.kind == LoadedKind::kNone ||
             type.kind == LoadedKind::kInt || type.kind == LoadedKind::kList ||
             type.kind == LoadedKind::kDict || type.kind == LoadedKind::kTuple ||
             (type.kind == LoadedKind::kGlobal && type.allowed->kind == AllowedKind::kDType)) {
    if (location.kind != LoadedKind::kText && location.kind != LoadedKind::kNone && wanted == 5) {
      return leave("a storage is described in a way that is not followed here");
    }
    return fail("AttributeError",
                fmt::format("'{}' object has no attribute 'dtype'", type_name(type)));
  }
  const bool plain = question.dtype != DType::kUnknown && location.kind == LoadedKind::kText &&
                     (key.kind == LoadedKind::kText) && numel.kind == LoadedKind::kInt &&
                     numel.number >= 0 &&
                     (wanted == 4 || values_[id.items[5]].kind == LoadedKind::kNone);
  if (!plain) return leave("a storage is described in a way that is not followed here");
  question.key = key.text;
  question.location = location.text;
  question.numel = static_cast<std::uint64_t>(numel.number);
  std::variant<LoadedStorage, LoadOutcome> answer = storages_.load(question);
  if (const auto* ended = std::get_if<LoadOutcome>(&answer)) {
    end_ = *ended;
    return;
  }
  loaded_.push_back(std::get<LoadedStorage>(answer));
  Loaded storage;
  storage.kind = LoadedKind::kStorage;
  storage.number = static_cast<std::int64_t>(loaded_.size() - 1);
  push_value(std::move(storage));
}

void RestrictedUnpickler::new_object() {
  const LoadedId arguments = pop(), class_id = pop();
  if (end_) return;
  const Loaded& of = values_[class_id];
  const Loaded& given = values_[arguments];
  if (of.kind == LoadedKind::kForeign || of.kind == LoadedKind::kStorage) {
    return leave(std::string(kNotFollowed));
  }
  if (of.kind != LoadedKind::kGlobal) {
    return refuse(
        "Can only create new object for nn.Parameter or classes allowlisted via "
        "`add_safe_globals` but got ");
  }
  if (given.kind != LoadedKind::kTuple)
    return leave("an object is made with no tuple of arguments");
  const AllowedName& name = *of.allowed;
  if (name.kind != AllowedKind::kClass && name.kind != AllowedKind::kTensorType) {
    return fail("TypeError", fmt::format("{}.__new__(X): X is not a type object ({})",
                                         type_name(of) == "function" ? "function" : "object",
                                         short_type_name(of)));
  }
  if (name.name == "collections.OrderedDict") return push(LoadedKind::kOrderedDict);
  if (name.name == "collections.Counter") return push(LoadedKind::kCounter);
  if (name.name == "builtins.set") return push(LoadedKind::kSet);
  if (name.name == "builtins.bytearray") return push(LoadedKind::kByteArray);
  if (name.name == "torch.device" && given.items.empty()) {
    return fail("TypeError", "device() received an invalid combination of arguments");
  }
  if (name.name == "torch.storage.TypedStorage") return push(LoadedKind::kForeign);
  if (name.name == "torch.storage.UntypedStorage" && given.items.empty()) {
    return push(LoadedKind::kForeign);
  }
  const bool made_as_called = name.kind == AllowedKind::kTensorType || name.name == "torch.Tensor" ||
                              name.name == "torch.nn.parameter.Parameter" ||
                              name.name == "torch.Size" || name.name == "torch.device" ||
                              name.name == "builtins.complex";
  if (made_as_called) {
    const std::vector<LoadedId> items = given.items;  // a call adds values, which moves them
    Loaded made = call_class(name, items);
    if (!end_) push_value(std::move(made));
    return;
  }
  leave(fmt::format("an object of {} is made by NEWOBJ", name.name));
}

void RestrictedUnpickler::reduce() {
  const LoadedId arguments = pop();
  const LoadedId function = top();
  if (end_) return;
  const Loaded& callable = values_[function];
  const Loaded& given = values_[arguments];
  switch (callable.kind) {
    case LoadedKind::kForeign:
    case LoadedKind::kStorage:
      return leave(std::string(kNotFollowed));
    case LoadedKind::kGlobal:
      break;
    default:
      return refuse("Trying to call reduce for unrecognized function ");
  }
  switch (given.kind) {
    case LoadedKind::kTuple:
    case LoadedKind::kList:
    case LoadedKind::kSize:
      break;
    case LoadedKind::kNone:
    case LoadedKind::kBool:
    case LoadedKind::kInt:
    case LoadedKind::kFloat:
      return fail("TypeError", "");
    default:
      return leave("the arguments of a call are no tuple");
  }
  const AllowedName& name = *callable.allowed;
  if (name.kind == AllowedKind::kDType || name.kind == AllowedKind::kStorageType ||
      name.kind == AllowedKind::kQScheme) {
    return fail("TypeError", fmt::format("'{}' object is not callable", short_type_name(callable)));
  }
  if (!may_read(given.items.size())) return;
  const std::vector<LoadedId> items = given.items;  // a call adds values, which moves them
  const LoadedId made = add(call(name, items));
  if (!end_) stack_.back() = made;
}

void RestrictedUnpickler::build() {
  const LoadedId state_id = pop();
  const LoadedId target = top();
  if (end_) return;
  const Loaded& state = values_[state_id];
  const Loaded& object = values_[target];
  const std::optional<bool> full = truth(state_id);
  switch (object.kind) {
    case LoadedKind::kOrderedDict:
      if (is_dict(state.kind)) return;
      return update_attributes(state_id);
    case LoadedKind::kCounter:
      if ((state.kind != LoadedKind::kTuple || state.items.size() != 2) &&
          (full == false || is_dict(state.kind))) {
        return;
      }
      return leave("the attributes of a Counter are no dict");
    case LoadedKind::kTensor:
      return set_tensor(state_id);
    case LoadedKind::kParameter:
      return set_parameter(state_id);
    case LoadedKind::kStorage:
    case LoadedKind::kForeign:
      return leave(std::string(kBuild));
    case LoadedKind::kSet:
    case LoadedKind::kSize:
    case LoadedKind::kDevice:
    case LoadedKind::kComplex:
    case LoadedKind::kByteArray:
      return set_slots(target, state_id);
    default:
      return refuse(
          fmt::format("Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                      "`add_safe_globals`, but got <class '{}'>",
                      type_name(object)));
  }
}

const LoadedTensor* RestrictedUnpickler::tensor_at(LoadedId id) const {
  const Loaded& value = values_[id];
  const bool is_tensor = value.kind == LoadedKind::kTensor || value.kind == LoadedKind::kParameter;
  return is_tensor ? &tensors_[static_cast<std::size_t>(value.number)] : nullptr;
}

/// Of an object that has no `__dict__`.
void RestrictedUnpickler::set_slots(LoadedId target, LoadedId state_id) {
  const Loaded& state = values_[state_id];
  const bool two = state.kind == LoadedKind::kTuple && state.items.size() == 2;
  const LoadedId first = two ? state.items[0] : state_id;
  if (const auto* tensor = tensor_at(first)) {
    const bool many = std::none_of(tensor->size.begin(), tensor->size.end(), [](auto n) { return n < 1; }) &&
                      std::any_of(tensor->size.begin(), tensor->size.end(), [](auto n) { return n > 1; });
    if (many) {
      return fail("RuntimeError", "Boolean value of Tensor with more than one value is ambiguous");
    }
  }
  const std::optional<bool> attributes = truth(first);
  const std::optional<bool> slots = two ? truth(state.items[1]) : false;
  if (attributes == true) {
    fail("AttributeError",
         fmt::format("'{}' object has no attribute '__dict__'", short_type_name(values_[target])));
  } else if (attributes != false || slots != false) {
    leave(std::string(kBuild));
  }
}

/// `__dict__.update(state)`: of a dict, or of a row of pairs.
void RestrictedUnpickler::update_attributes(LoadedId state_id) {
  const Loaded& state = values_[state_id];
  if (is_no_iterable(state)) {
    return fail("TypeError", fmt::format("'{}' object is not iterable", short_type_name(state)));
  }
  if (truth(state_id) == false) return;  // nothing to take from
  constexpr std::string_view kLength =
      "dictionary update sequence element #0 has length {}; 2 is required";
  if (state.kind == LoadedKind::kText) return fail("ValueError", fmt::format(kLength, 1));
  if (is_sequence(state.kind)) {
    const Loaded& first = values_[state.items.front()];
    const bool row = first.kind == LoadedKind::kList || first.kind == LoadedKind::kTuple;
    const bool text = first.kind == LoadedKind::kText;
    const std::size_t length = text ? code_points(first.text) : first.items.size();
    if (is_no_iterable(first)) {
      return fail("TypeError", "cannot convert dictionary update sequence element #0 to a sequence");
    }
    if ((row || text) && length != 2) return fail("ValueError", fmt::format(kLength, length));
  }
  leave("the attributes of an OrderedDict are no dict");
}

/// `set_(*state)`, which before torch 0.4 put a tensor into its storage.
void RestrictedUnpickler::set_tensor(LoadedId state_id) {
  const Loaded& state = values_[state_id];
  if (is_no_iterable(state)) {
    return fail("TypeError",
                fmt::format("must be an iterable, not {}", short_type_name(state)));
  }
  const auto* from = tensor_at(state_id);
  if (from != nullptr && from->size.empty()) {
    return fail("TypeError", "iteration over a 0-d tensor");
  }
  const bool row = is_sequence(state.kind) || is_dict(state.kind);
  const bool odd = row && !state.items.empty() &&
                   values_[state.items.front()].kind != LoadedKind::kStorage &&
                   values_[state.items.front()].kind != LoadedKind::kTensor &&
                   values_[state.items.front()].kind != LoadedKind::kParameter &&
                   values_[state.items.front()].kind != LoadedKind::kForeign;
  if (odd || (state.kind == LoadedKind::kText && !state.text.empty())) {
    return fail("TypeError", "set_() received an invalid combination of arguments - got (");
  }
  leave(std::string(kBuild));
}

/// `__setstate__` of tensors: what belongs to the gradient, and before torch 0.4 more.
void RestrictedUnpickler::set_parameter(LoadedId state_id) {
  const Loaded& state = values_[state_id];
  if (is_no_iterable(state)) {
    return fail("TypeError", fmt::format("object of type '{}' has no len()", short_type_name(state)));
  }
  const bool row = is_sequence(state.kind);
  if (!row && truth(state_id) != false) return leave(std::string(kBuild));
  const std::size_t length = row ? state.items.size() : 0;
  constexpr std::size_t kParts = 3, kMostParts = 5;
  if (length < kParts) {
    return fail("ValueError",
                fmt::format("not enough values to unpack (expected 3, got {})", length));
  }
  if (length > kMostParts) return fail("ValueError", "too many values to unpack (expected 3");
  leave(std::string(kBuild));
}

}  // namespace torchvet
