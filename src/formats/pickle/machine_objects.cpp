// What builds, imports, calls and changes objects. A change of an object that the pickle itself
// made is applied to it; a change of something that exists before the pickle runs (an imported
// class, a persistent object) is recorded as a Call of kind kChange, for changing `os.environ` or a
// class is as much an effect as calling a function.

#include <algorithm>

#include "formats/pickle/machine_state.h"
#include "formats/pickle/python2_names.h"

namespace torchvet {
namespace {

/// Python's `hash` takes no list, dict, set or bytearray.
bool has_no_hash(const ObjectTree& tree, ObjectId id) {
  if (tree.as<Object::List>(id) != nullptr || tree.as<Object::Dict>(id) != nullptr) return true;
  if (const auto* set = tree.as<Object::Set>(id)) return !set->frozen;
  const auto* bytes = tree.as<Object::Bytes>(id);
  return bytes != nullptr && bytes->is_array;
}

}  // namespace

bool PickleMachine::step_container(Opcode opcode) {
  std::size_t start = 0;
  ObjectId id = kNoObject;
  switch (opcode) {
    case Opcode::kEmptyTuple:
      return push_shared(empty_tuple_, Object::Tuple{});
    case Opcode::kTuple1:
    case Opcode::kTuple2:
    case Opcode::kTuple3: {
      const std::size_t count = opcode_ - static_cast<std::size_t>(Opcode::kTuple1) + 1;
      if (stack_.size() - fence() < count) return underflow();
      return push_tuple(take_from(stack_.size() - count));
    }
    case Opcode::kTuple:
      return pop_mark(start) && push_tuple(take_from(start));
    case Opcode::kEmptyList:
      return push_new(Object::List{});
    case Opcode::kList:
      return pop_mark(start) && push_new(Object::List{take_from(start)});
    case Opcode::kEmptySet:
      return push_new(Object::Set{});
    case Opcode::kFrozenSet:
      return pop_mark(start) && push_new(Object::Set{take_from(start), true});
    case Opcode::kEmptyDict:
      return push_new(Object::Dict{});
    case Opcode::kDict:
      if (!pop_mark(start)) return false;
      if ((stack_.size() - start) % 2 != 0) return bad_target("pairs of keys and values");
      return make_dict(take_pairs_from(start));
    case Opcode::kAppend: {
      ObjectId value = kNoObject;
      return pop(value) && top(id) && append_to(id, {value}, false);
    }
    case Opcode::kAppends:
    case Opcode::kAddItems: {
      if (!pop_mark(start)) return false;
      if (start <= fence()) return underflow();
      id = stack_[start - 1];
      std::vector<ObjectId> values = take_from(start);
      return values.empty() || append_to(id, std::move(values), opcode == Opcode::kAddItems);
    }
    case Opcode::kSetItem: {
      ObjectId key = kNoObject;
      ObjectId value = kNoObject;
      return pop(value) && pop(key) && top(id) && set_items(id, {{key, value}});
    }
    case Opcode::kSetItems:
      if (!pop_mark(start)) return false;
      if (start <= fence()) return underflow();
      if ((stack_.size() - start) % 2 != 0) return bad_target("pairs of keys and values");
      id = stack_[start - 1];
      if (start == stack_.size()) return true;
      return set_items(id, take_pairs_from(start));
    default:
      return false;
  }
}

bool PickleMachine::step_call(Opcode opcode) {
  ObjectId callable = kNoObject;
  ObjectId arguments = kNoObject;
  switch (opcode) {
    case Opcode::kGlobal: {
      std::string_view module;
      std::string_view name;
      return read_name(module) && read_name(name) && import_name(module, name, callable) &&
             push(callable);
    }
    case Opcode::kStackGlobal:
      return stack_global();
    case Opcode::kExt1: {
      std::uint8_t code = 0;
      return read(code) && extension(code);
    }
    case Opcode::kExt2: {
      std::uint16_t code = 0;
      return read(code) && extension(code);
    }
    case Opcode::kExt4: {
      std::int32_t code = 0;
      return read(code) && extension(code);
    }
    case Opcode::kInst: {
      std::string_view module;
      std::string_view name;
      std::size_t start = 0;
      return read_name(module) && read_name(name) && pop_mark(start) &&
             import_name(module, name, callable) &&
             make(Object::Tuple{take_from(start)}, arguments) &&
             call(Object::How::kInstance, callable, arguments, kNoObject);
    }
    case Opcode::kObj: {
      std::size_t start = 0;
      if (!pop_mark(start)) return false;
      if (stack_.size() <= start) return underflow();
      callable = stack_[start];
      Object::Tuple tuple{take_from(start + 1)};
      stack_.pop_back();
      return make(std::move(tuple), arguments) &&
             call(Object::How::kObject, callable, arguments, kNoObject);
    }
    case Opcode::kReduce:
      return pop(arguments) && pop(callable) &&
             call(Object::How::kReduce, callable, arguments, kNoObject);
    case Opcode::kNewObj:
      return pop(arguments) && pop(callable) &&
             call(Object::How::kNewObject, callable, arguments, kNoObject);
    case Opcode::kNewObjEx: {
      ObjectId keywords = kNoObject;
      return pop(keywords) && pop(arguments) && pop(callable) &&
             call(Object::How::kNewObjectEx, callable, arguments, keywords);
    }
    case Opcode::kBuild:
      return build();
    case Opcode::kPersId: {
      std::string_view line;
      ObjectId id = kNoObject;
      return read_line(line) && make(std::string(line), id) && push_new(Object::Persistent{id});
    }
    case Opcode::kBinPersId: {
      ObjectId id = kNoObject;
      return pop(id) && push_new(Object::Persistent{id});
    }
    default:
      return false;
  }
}

bool PickleMachine::import_name(std::string_view module, std::string_view name, ObjectId& id) {
  // CPython translates Python 2's spellings below protocol 3, and PROTO may come at any place.
  const PythonName mapped = protocol_ < 3 ? from_python2(module, name) : PythonName{module, name};
  // No name that can be imported is longer; each use of a longer one would copy it.
  constexpr std::size_t kLongest = 512;
  const std::string kept_module(mapped.module.substr(0, kLongest));
  const std::string kept_name(mapped.name.substr(0, kLongest));
  program_.imports.push_back({kept_module, kept_name, here()});
  return make(Object::Global{kept_module, kept_name}, id);
}

bool PickleMachine::stack_global() {
  ObjectId name_id = kNoObject;
  ObjectId module_id = kNoObject;
  if (!pop(name_id) || !pop(module_id)) return false;
  const std::string* module = object<std::string>(module_id);
  const std::string* name_text = object<std::string>(name_id);
  ObjectId id = kNoObject;
  if (module != nullptr && name_text != nullptr) {
    return import_name(*module, *name_text, id) && push(id);
  }
  const bool computed =
      (module != nullptr || is_foreign(module_id)) && (name_text != nullptr || is_foreign(name_id));
  const std::string shown_module = module != nullptr ? *module : tree_.render(module_id);
  const std::string shown_name = name_text != nullptr ? *name_text : tree_.render(name_id);
  program_.imports.push_back({shown_module, shown_name, here(), true});
  if (!computed) return bad_target("two strings");
  // The strings come out of a call: only running it would tell which name this imports.
  return push_new(Object::Global{shown_module, shown_name, true});
}

bool PickleMachine::extension(std::int64_t code) {
  if (code <= 0) return bad_number();
  // The registry of `copyreg` belongs to the process that loads; a fresh one is empty.
  ObjectId id = kNoObject;
  const std::string name_of_code = std::to_string(code);
  program_.imports.push_back({std::string(kExtensionModule), name_of_code, here()});
  return make(Object::Global{std::string(kExtensionModule), name_of_code}, id) && push(id);
}

/// What a call of a dict type made: nobody can call it, and it has no hash.
bool PickleMachine::is_dict_instance(ObjectId id) const {
  const Object::Call* made = tree_.as<Object::Call>(id);
  if (made == nullptr || made->how == Object::How::kChange) return false;
  const Object::Global* type = tree_.as<Object::Global>(made->callable);
  return type != nullptr && is_dict_type(type->module, type->name);
}

/// A tuple, or what only running the pickle would tell.
bool PickleMachine::may_be_tuple(ObjectId id) const {
  if (tree_.as<Object::Call>(id) != nullptr) return !is_dict_instance(id);
  return tree_.as<Object::Tuple>(id) != nullptr || tree_.as<Object::Persistent>(id) != nullptr;
}

bool PickleMachine::call(Object::How how, ObjectId callable, ObjectId arguments,
                         ObjectId keywords) {
  if (!is_foreign(callable) || is_dict_instance(callable)) return bad_target("what can be called");
  // LibTorch, which reads the pickles of programs, makes an enum of a value that is in no tuple.
  const Object::Global* name = object<Object::Global>(callable);
  const bool of_program = name != nullptr && name->module.starts_with("__torch__");
  if (!of_program && !may_be_tuple(arguments)) return bad_target("a tuple of arguments");
  Object::Call made;
  made.how = how;
  made.callable = callable;
  made.arguments = arguments;
  if (keywords != kNoObject) made.boxed_more.made().keyword_arguments = keywords;
  if (!fill_from_arguments(made)) return false;
  ObjectId id = kNoObject;
  if (!make(std::move(made), id)) return false;
  program_.calls.push_back({imported(callable), how, id, here()});
  return push(id);
}

/// Python 2 wrote OrderedDict([[key, value], ...]) and Counter({key: value}) as one call with all
/// items as argument: they become items of the call, as with today's SETITEMS.
bool PickleMachine::fill_from_arguments(Object::Call& made) {
  const Object::Global* global = object<Object::Global>(made.callable);
  const Object::Tuple* arguments = object<Object::Tuple>(made.arguments);
  if (global == nullptr || arguments == nullptr || !is_dict_type(global->module, global->name)) {
    return true;
  }
  const bool factory_first = global->name == "defaultdict";
  const std::size_t place = factory_first ? 1 : 0;
  if (arguments->items.size() <= place) return true;
  const ObjectId source = arguments->items[place];
  if (const Object::Dict* dict = object<Object::Dict>(source)) {
    if (!room_for(dict->items.size())) return false;
    copied_ += dict->items.size();
    made.boxed_more.made().items = dict->items;
  } else if (const Object::List* list = object<Object::List>(source)) {
    if (!room_for(list->items.size())) return false;
    copied_ += list->items.size();
    for (const ObjectId entry : list->items) {
      const std::vector<ObjectId>* pair = tree_.sequence(entry);
      if (pair != nullptr && pair->size() == 2) {
        made.boxed_more.made().items.emplace_back((*pair)[0], (*pair)[1]);
      }
    }
  }
  return true;
}

/// A state that asks for nothing: None, or None and no slots; or what only running the pickle would tell.
bool PickleMachine::is_no_state(ObjectId state) const {
  if (tree_.as<Object::None>(state) != nullptr) return true;
  if (tree_.as<Object::Call>(state) != nullptr) return !is_dict_instance(state);
  const Object::Tuple* pair = tree_.as<Object::Tuple>(state);
  if (pair == nullptr || pair->items.size() != 2 || tree_.as<Object::None>(pair->items[0]) == nullptr) {
    return false;
  }
  const Object::Dict* slots = tree_.as<Object::Dict>(pair->items[1]);
  return slots != nullptr ? slots->items.empty() : tree_.as<Object::Call>(pair->items[1]) != nullptr;
}

/// A state of an object that has no __setstate__: a dict of attributes, and maybe one of slots.
bool PickleMachine::may_be_attributes(ObjectId state) const {
  const Object::Tuple* pair = tree_.as<Object::Tuple>(state);
  if (pair != nullptr) return pair->items.size() == 2;
  return tree_.as<Object::Dict>(state) != nullptr || is_dict_instance(state) || is_no_state(state);
}

bool PickleMachine::build() {
  ObjectId state = kNoObject;
  ObjectId target = kNoObject;
  if (!pop(state) || !top(target)) return false;
  Object::Call* instance = object<Object::Call>(target);
  if (instance == nullptr && !is_foreign(target)) {
    // A plain value has no __dict__ to put attributes into, not even those of an empty dict.
    return is_no_state(state) || bad_target("an object with attributes");
  }
  if (is_dict_instance(target) && !may_be_attributes(state)) return bad_target("a dict of attributes");
  if (instance != nullptr && instance->state == kNoObject) {
    instance->state = state;
    program_.calls.push_back({imported(instance->callable), Object::How::kChange, target, here()});
    return true;
  }
  if (instance != nullptr) instance->state = state;
  Object::Call change;
  change.state = state;
  return note_change(target, std::move(change));
}

bool PickleMachine::note_change(ObjectId target, Object::Call change) {
  change.how = Object::How::kChange;
  change.callable = target;
  ObjectId id = kNoObject;
  if (!make(std::move(change), id)) return false;
  const Object::Call* made = object<Object::Call>(target);
  program_.calls.push_back(
      {imported(made ? made->callable : target), Object::How::kChange, id, here()});
  return true;
}

bool PickleMachine::append_to(ObjectId target, std::vector<ObjectId> values, bool to_set) {
  const auto extend = [&values](std::vector<ObjectId>& items) {
    items.insert(items.end(), values.begin(), values.end());
    return true;
  };
  if (Object::List* list = object<Object::List>(target); list != nullptr && !to_set) {
    return extend(list->items);
  }
  if (Object::Set* set = object<Object::Set>(target); set != nullptr && to_set && !set->frozen) {
    return extend(set->items);
  }
  if (is_dict_instance(target)) return bad_target(to_set ? "a set" : "a list");
  if (Object::Call* instance = object<Object::Call>(target))
    return extend(instance->boxed_more.made().appended);
  if (Object::Bytes* array = object<Object::Bytes>(target);
      array != nullptr && array->is_array && !to_set) {
    for (const ObjectId value : values) {
      const std::optional<std::int64_t> byte = tree_.integer(value);
      if (!byte || *byte < 0 || *byte > 255) return bad_target("bytes as values");
      array->data.push_back(static_cast<char>(*byte));
    }
    return true;
  }
  if (is_foreign(target)) {
    Object::Call change;
    change.boxed_more.made().appended = std::move(values);
    return note_change(target, std::move(change));
  }
  return bad_target(to_set ? "a set" : "a list");
}

/// A tuple that holds what has no hash has none either, which is noted when it is made: asking it
/// again of each key would walk through a large tuple as often as it is a key. What only a call
/// would make is taken for hashable.
bool PickleMachine::is_hashable(ObjectId id) const {
  return !has_no_hash(tree_, id) && !is_dict_instance(id) && !tuples_without_hash_.contains(id);
}

bool PickleMachine::push_tuple(std::vector<ObjectId> items) {
  const bool hashable =
      std::all_of(items.begin(), items.end(), [&](ObjectId item) { return is_hashable(item); });
  ObjectId id = kNoObject;
  if (!make(Object::Tuple{std::move(items)}, id)) return false;
  if (!hashable) tuples_without_hash_.insert(id);
  return push(id);
}

bool PickleMachine::keys_are_hashable(const std::vector<std::pair<ObjectId, ObjectId>>& items) {
  return std::all_of(items.begin(), items.end(),
                     [&](const auto& item) { return is_hashable(item.first); }) ||
         bad_target("keys that have a hash");
}

bool PickleMachine::make_dict(std::vector<std::pair<ObjectId, ObjectId>> items) {
  return keys_are_hashable(items) && push_new(Object::Dict{std::move(items)});
}

bool PickleMachine::set_items(ObjectId target, std::vector<std::pair<ObjectId, ObjectId>> items) {
  if (Object::Dict* dict = object<Object::Dict>(target)) {
    if (!keys_are_hashable(items)) return false;
    dict->items.insert(dict->items.end(), items.begin(), items.end());
    return true;
  }
  if (Object::Call* instance = object<Object::Call>(target)) {
    const Object::Global* type = object<Object::Global>(instance->callable);
    if (type && is_dict_type(type->module, type->name) && !keys_are_hashable(items)) return false;
    auto& known = instance->boxed_more.made().items;
    known.insert(known.end(), items.begin(), items.end());
    return true;
  }
  if (is_foreign(target)) {
    Object::Call change;
    change.boxed_more.made().items = std::move(items);
    return note_change(target, std::move(change));
  }
  for (const std::pair<ObjectId, ObjectId>& item : items) {
    if (!store_element(target, item)) return bad_target("a dict");
  }
  return true;
}

/// `target[key] = value` as SETITEM does it on a list or a bytearray.
bool PickleMachine::store_element(ObjectId target, std::pair<ObjectId, ObjectId> item) {
  const std::optional<std::int64_t> index = tree_.integer(item.first);
  if (!index) return false;
  const auto place = [&index](std::size_t size) -> std::optional<std::size_t> {
    const std::int64_t count = static_cast<std::int64_t>(size);
    if (*index >= count || *index < -count) return std::nullopt;
    return static_cast<std::size_t>(*index < 0 ? *index + count : *index);
  };
  if (Object::List* list = object<Object::List>(target)) {
    const std::optional<std::size_t> at = place(list->items.size());
    if (at) list->items[*at] = item.second;
    return at.has_value();
  }
  Object::Bytes* array = object<Object::Bytes>(target);
  if (array == nullptr || !array->is_array) return false;
  const std::optional<std::size_t> at = place(array->data.size());
  const std::optional<std::int64_t> byte = tree_.integer(item.second);
  if (!at || !byte || *byte < 0 || *byte > 255) return false;
  array->data[*at] = static_cast<char>(*byte);
  return true;
}

}  // namespace torchvet
