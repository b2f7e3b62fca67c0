// What the opcodes that change objects check, each in the order in which torch does.
#include <fmt/format.h>

#include <utility>
#include <variant>

#include "formats/loaders/weights_only.h"
#include "formats/pickle/opcodes.h"

namespace torchvet {
namespace {

/// "dict" of <class 'dict'>; empty where the type is not followed.
std::string_view type_name(const Loaded& value) {
  switch (value.kind) {
    case LoadedKind::kNone:
      return "NoneType";
    case LoadedKind::kBool:
      return "bool";
    case LoadedKind::kInt:
    case LoadedKind::kBigInt:
      return "int";
    case LoadedKind::kFloat:
      return "float";
    case LoadedKind::kComplex:
      return "complex";
    case LoadedKind::kText:
      return "str";
    case LoadedKind::kBytes:
      return "bytes";
    case LoadedKind::kByteArray:
      return "bytearray";
    case LoadedKind::kTuple:
      return "tuple";
    case LoadedKind::kSize:
      return "torch.Size";
    case LoadedKind::kList:
      return "list";
    case LoadedKind::kSet:
      return "set";
    case LoadedKind::kDict:
      return "dict";
    case LoadedKind::kOrderedDict:
      return "collections.OrderedDict";
    case LoadedKind::kCounter:
      return "collections.Counter";
    case LoadedKind::kDevice:
      return "torch.device";
    case LoadedKind::kLayout:
      return "torch.layout";
    case LoadedKind::kStorage:
      return "torch.storage.TypedStorage";
    case LoadedKind::kTensor:
      return "torch.Tensor";
    case LoadedKind::kParameter:
      return "torch.nn.parameter.Parameter";
    case LoadedKind::kForeign:
      return "";
    case LoadedKind::kGlobal:
      break;
  }
  switch (value.allowed->kind) {
    case AllowedKind::kClass:
      return value.allowed->name == "torch.Tensor" ? "torch._C._TensorMeta"
             : value.allowed->name == "torch.nn.parameter.Parameter"
                 ? "torch.nn.parameter._ParameterMeta"
                 : "type";
    case AllowedKind::kFunction:
      return value.allowed->name == "_codecs.encode" ? "builtin_function_or_method" : "function";
    case AllowedKind::kDType:
      return "torch.dtype";
    case AllowedKind::kQScheme:
      return "torch.qscheme";
    case AllowedKind::kStorageType:
      return "torch.serialization.StorageType";
    case AllowedKind::kTensorType:
      return "torch.tensortype";
  }
  return "";
}

bool is_dict(LoadedKind kind) {
  return kind == LoadedKind::kDict || kind == LoadedKind::kOrderedDict ||
         kind == LoadedKind::kCounter;
}

/// Python's text of a name in "'X' object is not callable": without the module for classes of
/// Python's own.
std::string_view short_type_name(const Loaded& value) {
  const std::string_view name = type_name(value);
  return name == "torch.serialization.StorageType" ? "StorageType" : name;
}

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
      leave("a key is a large tuple");
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
  if (of.kind == LoadedKind::kForeign || of.kind == LoadedKind::kTensor ||
      of.kind == LoadedKind::kParameter || of.kind == LoadedKind::kStorage) {
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
  if (name.name == "builtins.set" && given.items.size() < 2) return push(LoadedKind::kSet);
  if (name.name == "torch.Size" && given.items.empty()) return push(LoadedKind::kSize);
  if (name.name == "torch.device" && given.items.empty()) {
    return fail("TypeError", "device() received an invalid combination of arguments");
  }
  if (name.kind == AllowedKind::kTensorType) {
    Loaded made = call_tensor_type(name, given.items.size());
    if (!end_) push_value(std::move(made));
    return;
  }
  if (name.name == "torch.nn.parameter.Parameter" && given.items.empty()) {
    Loaded made = tensor(DType::kFloat32, {0});
    made.kind = LoadedKind::kParameter;
    return push_value(std::move(made));
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
    case LoadedKind::kTensor:
    case LoadedKind::kParameter:
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
      if (state.kind == LoadedKind::kNone || state.kind == LoadedKind::kBool ||
          state.kind == LoadedKind::kInt || state.kind == LoadedKind::kFloat) {
        return fail("TypeError", fmt::format("'{}' object is not iterable", type_name(state)));
      }
      if (full == false) return;  // nothing to take from
      return leave("the attributes of an OrderedDict are no dict");
    case LoadedKind::kCounter:
      if ((state.kind != LoadedKind::kTuple || state.items.size() != 2) &&
          (full == false || is_dict(state.kind))) {
        return;
      }
      return leave("the attributes of a Counter are no dict");
    case LoadedKind::kSet:
      if (state.kind == LoadedKind::kTuple && state.items.size() == 2) break;
      if (full == false) return;
      if (full) return fail("AttributeError", "'set' object has no attribute '__dict__'");
      break;
    case LoadedKind::kTensor:
    case LoadedKind::kParameter:
    case LoadedKind::kStorage:
    case LoadedKind::kForeign:
    case LoadedKind::kSize:
    case LoadedKind::kDevice:
    case LoadedKind::kComplex:
    case LoadedKind::kByteArray:
      break;
    default:
      return refuse(
          fmt::format("Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                      "`add_safe_globals`, but got <class '{}'>",
                      type_name(object)));
  }
  leave("BUILD changes an object in a way that is not followed here");
}

}  // namespace torchvet
