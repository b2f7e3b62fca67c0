#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle/torch_objects.h"
#include "model/object_place.h"

// A walk in the order of the file over everything that the pickle builds. It keeps its own stack:
// one frame for each container it stands in, so a file nested a million deep costs no more than the
// limit allows. The path is one string that grows and shrinks with the stack.
namespace torchvet {
namespace {

struct Frame {
  ObjectId id = kNoObject;
  std::size_t next = 0;              ///< child to visit next
  std::size_t path_length = 0;       ///< of the path of this object
  std::optional<bool> module_state;  ///< whether it is the `__dict__` of an nn.Module, once asked
};

struct Child {
  ObjectId id = kNoObject;
  std::string piece;  ///< what it adds to the path
};

class Namer {
 public:
  Namer(Artifact& artifact, const Limits& limits)
      : artifact_(artifact),
        tree_(artifact.objects),
        limits_(limits),
        seen_(artifact.objects.size(), false),
        names_left_(limits.tensors) {}

  void run(ObjectId root, const std::string& prefix);

 private:
  void enter(ObjectId id);
  void give_name(TensorId tensor);
  /// False when the frame has no more children; an empty id is a child to be skipped.
  bool child(Frame& frame, Child& out) const;
  bool child_of_call(const Object::Call& call, std::size_t index, Child& out) const;
  bool adds_nothing(Frame& frame, ObjectId key) const;
  std::string key_piece(ObjectId key, std::size_t index) const;

  Artifact& artifact_;
  const ObjectTree& tree_;
  const Limits& limits_;
  std::vector<bool> seen_;
  std::vector<Frame> stack_;
  std::string path_;
  std::uint64_t names_left_;
  bool too_deep_ = false;
};

std::string position_piece(std::size_t index) { return "[" + std::to_string(index) + "]"; }

/// True for the three dicts in the `__dict__` of an nn.Module, which names leave out.
bool Namer::adds_nothing(Frame& frame, ObjectId key) const {
  const std::optional<std::string_view> text = tree_.text(key);
  if (text != "_parameters" && text != "_buffers" && text != "_modules") return false;
  if (!frame.module_state) {
    frame.module_state = tree_.get(frame.id, "_parameters") != kNoObject &&
                         tree_.get(frame.id, "_modules") != kNoObject;
  }
  return *frame.module_state;
}

std::string Namer::key_piece(ObjectId key, std::size_t index) const {
  if (const std::optional<std::string_view> text = tree_.text(key)) {
    return "." + std::string(text->substr(0, kMaxObjectKey));
  }
  if (const std::optional<std::int64_t> number = tree_.integer(key)) {
    return "[" + std::to_string(*number) + "]";
  }
  // A whole pickled optimizer has its parameters for keys, which may have no name yet.
  if (tree_.as<Object::TensorRef>(key)) return "[key " + std::to_string(index) + "]";
  return "[" + tree_.render(key) + "]";
}

/// A call's children: the items and elements that the pickle put into its result, the state, and
/// what it was called with.
bool Namer::child_of_call(const Object::Call& call, std::size_t index, Child& out) const {
  if (index < call.items().size()) {
    out = {call.items()[index].second, key_piece(call.items()[index].first, index)};
    return true;
  }
  index -= call.items().size();
  if (index < call.appended().size()) {
    out = {call.appended()[index], position_piece(index)};
    return true;
  }
  index -= call.appended().size();
  // The state is a dict of attributes, or a pair of one and the values of slots.
  const Object::Tuple* pair = tree_.as<Object::Tuple>(call.state);
  if (pair && pair->items.size() != 2) pair = nullptr;
  if (index < 2) {
    if (pair) {
      out = {pair->items[index], {}};
    } else if (index == 0) {
      out = {call.state, {}};
    }
    return true;
  }
  index -= 1;
  // Items that a dict was called with are among its items already.
  const Object::Global* type = tree_.as<Object::Global>(call.callable);
  if (type && is_dict_type(type->module, type->name)) return false;
  const Object::Tuple* arguments = tree_.as<Object::Tuple>(call.arguments);
  if (!arguments || index > arguments->items.size()) return false;
  // torch.compile wraps a module: OptimizedModule(module, context). torch calls it `_orig_mod`.
  const bool compiled = index == 1 && tree_.qualified_name(call.callable) ==
                                          "torch._dynamo.eval_frame.OptimizedModule";
  out = {arguments->items[index - 1],
         compiled ? "._orig_mod" : "(" + std::to_string(index - 1) + ")"};
  return true;
}

bool Namer::child(Frame& frame, Child& out) const {
  const auto element = [&](const std::vector<ObjectId>& items) {
    if (frame.next >= items.size()) return false;
    out = {items[frame.next], position_piece(frame.next)};
    return true;
  };
  if (const auto* list = tree_.as<Object::List>(frame.id)) return element(list->items);
  if (const auto* tuple = tree_.as<Object::Tuple>(frame.id)) return element(tuple->items);
  if (const auto* set = tree_.as<Object::Set>(frame.id)) return element(set->items);
  if (const auto* dict = tree_.as<Object::Dict>(frame.id)) {
    if (frame.next >= dict->items.size()) return false;
    const auto& [key, value] = dict->items[frame.next];
    out = {value, adds_nothing(frame, key) ? std::string() : key_piece(key, frame.next)};
    return true;
  }
  if (const auto* call = tree_.as<Object::Call>(frame.id)) {
    return child_of_call(*call, frame.next, out);
  }
  if (const auto* reference = tree_.as<Object::TensorRef>(frame.id)) {
    const auto& parts = artifact_.tensors[reference->tensor].parts;
    if (frame.next >= parts.size()) return false;
    out = {parts[frame.next].second, parts[frame.next].first};
    return true;
  }
  return false;
}

void Namer::give_name(TensorId id) {
  if (names_left_ == 0) return;
  Tensor& tensor = artifact_.tensors[id];
  if (tensor.object_path == path_ && !path_.empty()) return;
  if (tensor.object_path.empty()) {
    tensor.object_path = path_;
  } else if (std::find(tensor.aliases.begin(), tensor.aliases.end(), path_) ==
             tensor.aliases.end()) {
    if (tensor.aliases.size() >= 64) return;  // beyond that nobody reads them
    tensor.aliases.push_back(path_);
  }
  if (--names_left_ == 0) {
    artifact_.add_gap("names of tensors", "more than " + std::to_string(limits_.tensors) +
                                              " names; the rest were not given");
  }
}

void Namer::enter(ObjectId id) {
  if (!tree_.contains(id)) return;
  if (const auto* reference = tree_.as<Object::TensorRef>(id)) {
    give_name(reference->tensor);
    if (artifact_.tensors[reference->tensor].parts.empty()) return;
  }
  if (seen_[id]) return;
  seen_[id] = true;
  if (stack_.size() >= limits_.object_depth) {
    if (!too_deep_) {
      artifact_.add_gap("names of tensors",
                        "objects are nested deeper than " + std::to_string(limits_.object_depth));
    }
    too_deep_ = true;
    return;
  }
  stack_.push_back({id, 0, path_.size()});
}

void Namer::run(ObjectId root, const std::string& prefix) {
  path_ = prefix;
  enter(root);
  Child next;
  while (!stack_.empty()) {
    Frame& frame = stack_.back();
    path_.resize(frame.path_length);
    next = {};
    if (!child(frame, next)) {
      stack_.pop_back();
      continue;
    }
    ++frame.next;
    if (next.id == kNoObject) continue;
    std::string_view piece = next.piece;
    if (path_.empty() && piece.starts_with('.')) piece.remove_prefix(1);
    path_ += piece.substr(0, kMaxObjectPath - std::min(kMaxObjectPath, path_.size()));
    enter(next.id);
  }
}

}  // namespace

void name_tensors(Artifact& artifact, ObjectId root, const std::string& prefix,
                  const Limits& limits) {
  Namer(artifact, limits).run(root, prefix);
}

}  // namespace torchvet
