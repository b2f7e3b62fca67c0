#include "model/object.h"

#include <array>
#include <charconv>
#include <cmath>

namespace torchvet {
namespace {

/// Names torch's and Python's writers use for a call whose one argument is a list: the list itself.
bool wraps_a_sequence(std::string_view module, std::string_view name) {
  if (module == "torch") return name == "Size";
  return module == "torch.jit._pickle" && name.substr(0, 6) == "build_";
}

/// A text that grows up to a limit and then says no to everything.
class Shown {
 public:
  explicit Shown(std::size_t limit) : limit_(limit) {}
  [[nodiscard]] bool full() const { return full_; }
  void add(std::string_view text) {
    if (full_) return;
    if (text.size() > limit_ - text_.size()) {
      text = text.substr(0, limit_ - text_.size());
      full_ = true;
    }
    text_ += text;
  }
  [[nodiscard]] std::string cut_short() {
    full_ = true;
    return take();
  }
  [[nodiscard]] std::string take() {
    if (!full_) return std::move(text_);
    // A cut inside a UTF-8 character loses the whole character.
    std::size_t end = text_.size();
    while (end > 0 && (static_cast<unsigned char>(text_[end - 1]) & 0xc0) == 0x80) --end;
    if (end > 0 && static_cast<unsigned char>(text_[end - 1]) >= 0xc0) text_.resize(end - 1);
    return std::move(text_) + "...";
  }

 private:
  std::size_t limit_;
  std::string text_;
  bool full_ = false;
};

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  std::string text(buffer.data(), end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// Renders without recursion: a stack of what is still to be written, the next on top. A container
/// pushes at most as many parts as could still be shown, so a huge one costs no more than a small.
/// A chain of calls, f()()()..., shows nothing before its far end, and is followed only so far.
class Renderer {
 public:
  Renderer(const ObjectTree& tree, std::size_t limit)
      : tree_(tree), shown_(limit), max_parts_(limit + 1) {}

  std::string render(ObjectId id) {
    todo_.push_back({id, {}});
    // A part that shows nothing itself is a call, and stands before at least its parentheses.
    for (std::size_t steps = 0; !todo_.empty() && !shown_.full(); ++steps) {
      if (steps > 8 * max_parts_) return shown_.cut_short();
      const Part part = todo_.back();
      todo_.pop_back();
      if (part.id == kNoObject) {
        shown_.add(part.text);
      } else if (!tree_.contains(part.id)) {
        shown_.add("?");
      } else {
        write(part.id);
      }
    }
    return shown_.take();
  }

 private:
  struct Part {
    ObjectId id = kNoObject;
    std::string_view text;
  };

  /// Parts are gathered in reading order and then pushed the other way round.
  void schedule(const std::vector<Part>& parts) {
    todo_.insert(todo_.end(), parts.rbegin(), parts.rend());
  }
  void add_list(std::vector<Part>& parts, const std::vector<ObjectId>& items) const {
    for (std::size_t i = 0; i < items.size() && i < max_parts_; ++i) {
      if (i > 0) parts.push_back({kNoObject, ", "});
      parts.push_back({items[i], {}});
    }
  }
  void add_pairs(std::vector<Part>& parts,
                 const std::vector<std::pair<ObjectId, ObjectId>>& items) const {
    parts.push_back({kNoObject, "{"});
    for (std::size_t i = 0; i < items.size() && i < max_parts_; ++i) {
      if (i > 0) parts.push_back({kNoObject, ", "});
      parts.push_back({items[i].first, {}});
      parts.push_back({kNoObject, ": "});
      parts.push_back({items[i].second, {}});
    }
    parts.push_back({kNoObject, "}"});
  }
  void schedule_list(std::string_view open, const std::vector<ObjectId>& items,
                     std::string_view close) {
    std::vector<Part> parts{{kNoObject, open}};
    add_list(parts, items);
    parts.push_back({kNoObject, close});
    schedule(parts);
  }
  void quoted(std::string_view text) {
    shown_.add("'");
    shown_.add(text);
    shown_.add("'");
  }

  void schedule_call(const Object::Call& call) {
    std::vector<Part> parts;
    if (tree_.contains(call.callable)) {
      parts.push_back({call.callable, {}});
    } else {
      parts.push_back({kNoObject, "?"});
    }
    if (call.how != Object::How::kChange) {
      const Object::Tuple* arguments = tree_.as<Object::Tuple>(call.arguments);
      parts.push_back({kNoObject, arguments != nullptr ? "(" : "(*"});
      if (arguments != nullptr) {
        add_list(parts, arguments->items);
      } else if (tree_.contains(call.arguments)) {
        parts.push_back({call.arguments, {}});
      }
      if (tree_.contains(call.keyword_arguments())) {
        parts.push_back({kNoObject, ", **"});
        parts.push_back({call.keyword_arguments(), {}});
      }
      parts.push_back({kNoObject, ")"});
    }
    if (!call.appended().empty()) {
      parts.push_back({kNoObject, " + ["});
      add_list(parts, call.appended());
      parts.push_back({kNoObject, "]"});
    }
    if (!call.items().empty()) {
      parts.push_back({kNoObject, " | "});
      add_pairs(parts, call.items());
    }
    if (tree_.contains(call.state)) {
      parts.push_back({kNoObject, " with state "});
      parts.push_back({call.state, {}});
    }
    schedule(parts);
  }

  void write(ObjectId id) {
    const Object& object = tree_.at(id);
    if (object.as<Object::None>()) {
      shown_.add("None");
    } else if (const bool* flag = object.as<bool>()) {
      shown_.add(*flag ? "True" : "False");
    } else if (const std::int64_t* integer = object.as<std::int64_t>()) {
      shown_.add(std::to_string(*integer));
    } else if (const double* number = object.as<double>()) {
      shown_.add(number_text(*number));
    } else if (const Object::BigInt* big = object.as<Object::BigInt>()) {
      shown_.add(big->decimal);
    } else if (const std::string* text = object.as<std::string>()) {
      quoted(*text);
    } else if (const Object::Bytes* bytes = object.as<Object::Bytes>()) {
      shown_.add(bytes->is_array ? "bytearray(b" : "b");
      quoted(bytes->data);
      if (bytes->is_array) shown_.add(")");
    } else if (const Object::List* list = object.as<Object::List>()) {
      schedule_list("[", list->items, "]");
    } else if (const Object::Tuple* tuple = object.as<Object::Tuple>()) {
      schedule_list("(", tuple->items, tuple->items.size() == 1 ? ",)" : ")");
    } else if (const Object::Set* set = object.as<Object::Set>()) {
      if (set->frozen) {
        schedule_list("frozenset({", set->items, "})");
      } else if (set->items.empty()) {
        shown_.add("set()");
      } else {
        schedule_list("{", set->items, "}");
      }
    } else if (const Object::Dict* dict = object.as<Object::Dict>()) {
      std::vector<Part> parts;
      add_pairs(parts, dict->items);
      schedule(parts);
    } else if (object.as<Object::Global>()) {
      shown_.add(tree_.qualified_name(id));
    } else if (const Object::Call* call = object.as<Object::Call>()) {
      schedule_call(*call);
    } else if (const Object::Persistent* persistent = object.as<Object::Persistent>()) {
      std::vector<Part> parts{{kNoObject, "<persistent "}, {kNoObject, ">"}};
      if (tree_.contains(persistent->id)) parts.insert(parts.begin() + 1, {persistent->id, {}});
      schedule(parts);
    } else if (const Object::TensorRef* tensor = object.as<Object::TensorRef>()) {
      shown_.add("<tensor " + std::to_string(tensor->tensor) + ">");
    } else if (const Object::StorageRef* storage = object.as<Object::StorageRef>()) {
      shown_.add("<storage " + std::to_string(storage->storage) + ">");
    }
  }

  const ObjectTree& tree_;
  Shown shown_;
  std::size_t max_parts_;
  std::vector<Part> todo_;
};

}  // namespace

bool is_dict_type(std::string_view module, std::string_view name) {
  if (module == "collections") {
    return name == "OrderedDict" || name == "defaultdict" || name == "Counter";
  }
  return module == "builtins" && name == "dict";
}

ObjectId ObjectTree::add(Object object) {
  if (size_ % kBlock == 0) {
    blocks_.emplace_back();
    // The first block grows as it is needed: most trees are small.
    if (size_ > 0) blocks_.back().reserve(kBlock);
  }
  blocks_.back().push_back(std::move(object));
  return static_cast<ObjectId>(size_++);
}

std::optional<std::string_view> ObjectTree::text(ObjectId id) const {
  const std::string* text = as<std::string>(id);
  if (text == nullptr) return std::nullopt;
  return *text;
}

std::optional<std::int64_t> ObjectTree::integer(ObjectId id) const {
  const std::int64_t* value = as<std::int64_t>(id);
  if (value == nullptr) return std::nullopt;
  return *value;
}

std::optional<double> ObjectTree::number(ObjectId id) const {
  if (const double* value = as<double>(id)) return *value;
  if (const std::int64_t* value = as<std::int64_t>(id)) return static_cast<double>(*value);
  return std::nullopt;
}

const std::vector<std::pair<ObjectId, ObjectId>>* ObjectTree::mapping(ObjectId id) const {
  if (const Object::Dict* dict = as<Object::Dict>(id)) return &dict->items;
  const Object::Call* call = as<Object::Call>(id);
  if (call == nullptr || call->how == Object::How::kChange) return nullptr;
  if (!call->items().empty()) return &call->items();
  const Object::Global* type = as<Object::Global>(call->callable);
  return type != nullptr && is_dict_type(type->module, type->name) ? &call->items() : nullptr;
}

const std::vector<ObjectId>* ObjectTree::sequence(ObjectId id) const {
  // A call may wrap a list; one that wraps a wrapping call is nobody's writing.
  for (int depth = 0; depth < 2; ++depth) {
    if (const Object::List* list = as<Object::List>(id)) return &list->items;
    if (const Object::Tuple* tuple = as<Object::Tuple>(id)) return &tuple->items;
    const Object::Call* call = as<Object::Call>(id);
    if (call == nullptr || call->how == Object::How::kChange) return nullptr;
    if (!call->appended().empty()) return &call->appended();
    const Object::Global* type = as<Object::Global>(call->callable);
    const Object::Tuple* arguments = as<Object::Tuple>(call->arguments);
    if (type == nullptr || arguments == nullptr || arguments->items.size() != 1 ||
        !wraps_a_sequence(type->module, type->name)) {
      return nullptr;
    }
    id = arguments->items[0];
  }
  return nullptr;
}

ObjectId ObjectTree::get(ObjectId mapping_id, std::string_view key) const {
  const std::vector<std::pair<ObjectId, ObjectId>>* items = mapping(mapping_id);
  if (items == nullptr) return kNoObject;
  for (auto item = items->rbegin(); item != items->rend(); ++item) {
    const std::string* text = as<std::string>(item->first);
    if (text != nullptr && *text == key) return item->second;
  }
  return kNoObject;
}

std::string ObjectTree::qualified_name(ObjectId id) const {
  const Object::Global* global = as<Object::Global>(id);
  if (global == nullptr) {
    const Object::Call* call = as<Object::Call>(id);
    if (call != nullptr) global = as<Object::Global>(call->callable);
  }
  return global == nullptr ? std::string() : global->module + "." + global->name;
}

ObjectId ObjectTree::attributes(ObjectId id) const {
  const Object::Call* call = as<Object::Call>(id);
  if (call == nullptr || call->state == kNoObject) return kNoObject;
  if (mapping(call->state) != nullptr) return call->state;
  const Object::Tuple* both = as<Object::Tuple>(call->state);
  if (both == nullptr || both->items.size() != 2) return kNoObject;
  for (const ObjectId part : both->items) {
    if (mapping(part) != nullptr) return part;
  }
  return kNoObject;
}

std::string ObjectTree::render(ObjectId id, std::size_t limit) const {
  return Renderer(*this, limit).render(id);
}

}  // namespace torchvet
