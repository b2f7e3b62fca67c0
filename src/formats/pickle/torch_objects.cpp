#include "formats/pickle/torch_objects.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <span>
#include <unordered_set>
#include <utility>

#include "formats/fault_list.h"
#include "formats/pickle/arguments.h"
#include "formats/pickle/rebuild.h"
#include "model/model_state.h"

// A pickle makes the arguments of a call before the call itself, so one pass over the objects in
// the order in which they were made meets every storage before the tensors that look into it, and
// every tensor before the parameter that wraps it. Nothing has to recurse. An object that refers to
// a later one (only a hand-made cycle can) is not what torch writes and stays as it is.
namespace torchvet {
namespace {

class Resolver {
 public:
  Resolver(Artifact& artifact, std::optional<MemberId> member, const StorageResolver& resolve,
           const Limits& limits)
      : artifact_(artifact),
        tree_(artifact.objects),
        member_(member),
        resolve_(resolve),
        limits_(limits),
        faults_(artifact, member && *member < artifact.members.size()
                              ? artifact.members[*member].name
                              : std::string()) {}

  void run(ObjectId first) {
    for (ObjectId id = first; id < tree_.size(); ++id) {
      if (tree_.as<Object::Persistent>(id)) {
        resolve_persistent(id);
      } else if (tree_.as<Object::Call>(id)) {
        resolve_call(id);
      }
    }
  }

 private:
  void resolve_persistent(ObjectId id);
  void tell_no_storage(ObjectId content, ByteRange where);
  [[nodiscard]] bool is_no_function(ObjectId id) const;
  void resolve_call(ObjectId id);
  void resolve_rebuild(ObjectId id, const std::string& name);
  void set_state(TensorId id, ObjectId state, ByteRange where);
  void resolve_variable(ObjectId id, bool parameter);
  void resolve_encoded_bytes(ObjectId id);
  void resolve_numpy_scalar(ObjectId id);
  void resolve_set(ObjectId id, bool frozen);

  Artifact& artifact_;
  ObjectTree& tree_;
  std::optional<MemberId> member_;
  const StorageResolver& resolve_;
  const Limits& limits_;
  /// Whether the contents of the object are to be copied: small ones always, large ones once. What
  /// Python writes has its list or text for itself; one that a thousand calls share stays in the
  /// calls.
  bool may_copy(ObjectId id, std::size_t size) {
    constexpr std::size_t kSmall = 64;
    return size <= kSmall || copied_.insert(id).second;
  }

  FaultList faults_;
  bool tensors_capped_ = false;
  std::unordered_set<ObjectId> copied_;
  std::set<std::string> unknown_functions_;
};

/// ('storage', type, key, location, numel), and in the legacy format a sixth element: None, or
/// (key, offset, numel) of a part of that storage.
std::optional<StorageRequest> storage_request(const ObjectTree& tree, ObjectId id) {
  const std::span<const ObjectId> fields = arguments_of(tree, id);
  if (fields.size() != 5 && fields.size() != 6) return std::nullopt;
  StorageRequest request;
  const Object::Global* type = tree.as<Object::Global>(fields[1]);
  const std::optional<std::int64_t> numel = tree.integer(fields[4]);
  if (!type || !numel || *numel < 0) return std::nullopt;
  if (type->name == "UntypedStorage") {
    request.untyped = true;
    request.dtype = DType::kUint8;
  } else if (const std::optional<DType> dtype = dtype_from_storage_class(type->name)) {
    request.dtype = *dtype;
  } else {
    return std::nullopt;
  }
  if (const auto key = tree.text(fields[2])) {
    request.key = *key;
  } else if (const auto number = tree.integer(fields[2])) {
    request.key = std::to_string(*number);
  } else {
    return std::nullopt;
  }
  const std::optional<std::string_view> location = tree.text(fields[3]);
  if (!location) return std::nullopt;
  request.location = *location;
  request.numel = static_cast<std::uint64_t>(*numel);
  request.has_sixth_part = fields.size() == 6;
  if (fields.size() == 6 && !tree.as<Object::None>(fields[5])) {
    const std::span<const ObjectId> view = arguments_of(tree, fields[5]);
    if (view.size() != 3) return std::nullopt;
    const std::optional<std::string_view> key = tree.text(view[0]);
    const std::optional<std::int64_t> offset = tree.integer(view[1]);
    const std::optional<std::int64_t> size = tree.integer(view[2]);
    if (!key || !offset || !size || *offset < 0 || *size < 0) return std::nullopt;
    request.view = {std::string(*key), static_cast<std::uint64_t>(*offset),
                    static_cast<std::uint64_t>(*size)};
  }
  return request;
}

void Resolver::tell_no_storage(ObjectId content, ByteRange where) {
  faults_.add(ErrorCode::kStorageBadReference, where.offset,
              "a storage is named as " + tree_.render(content) + ", which is not how torch names one");
}

void Resolver::resolve_persistent(ObjectId id) {
  const ObjectId content = tree_.as<Object::Persistent>(id)->id;
  const std::span<const ObjectId> fields = arguments_of(tree_, content);
  const ByteRange where = tree_.at(id).where;
  const auto kind = fields.empty() ? std::nullopt : tree_.text(fields[0]);
  if (kind != "storage") {
    // Other kinds stay as they are: the stream of before 1.6 has modules, packages have packages, and other
    // pickles have their own.
    const bool of_torch = artifact_.format == Format::kTorchZip ||
                          artifact_.format == Format::kTorchLegacy ||
                          artifact_.format == Format::kTorchPackage;
    if (of_torch && kind != "module" && kind != "reduce_package") tell_no_storage(content, where);
    return;
  }
  std::optional<StorageRequest> request = storage_request(tree_, content);
  if (!request) return tell_no_storage(content, where);
  if (artifact_.storages.size() >= limits_.tensors) return;
  request->offset = where.offset;
  tree_.at(id).value = Object::StorageRef{resolve_(*request)};
}

/// What torch's own calls make, which nobody can call.
bool Resolver::is_no_function(ObjectId id) const {
  if (tree_.as<Object::TensorRef>(id) || tree_.as<Object::StorageRef>(id)) return true;
  const Object::Call* made = tree_.as<Object::Call>(id);
  const std::string name = made ? tree_.qualified_name(made->callable) : std::string();
  return name == "torch.serialization._get_layout" || name == "torch.device" || name == "torch.Size";
}

void Resolver::resolve_call(ObjectId id) {
  const Object::Call& call = *tree_.as<Object::Call>(id);
  if (call.how == Object::How::kChange) return;
  if (is_no_function(call.callable)) {
    faults_.add(ErrorCode::kPickleBadTarget, tree_.at(id).where.offset,
                tree_.render(call.callable) + " is called as a function is");
    return;
  }
  const std::string name = tree_.qualified_name(call.callable);
  if (name.empty()) return;
  if (is_rebuild_function(name) && call.how == Object::How::kNewObject) {
    faults_.add(ErrorCode::kPickleBadTarget, tree_.at(id).where.offset, name + " is no class");
  } else if (is_rebuild_function(name)) {
    resolve_rebuild(id, name);
  } else if (is_unknown_rebuild_function(name)) {
    if (unknown_functions_.insert(name).second) {
      artifact_.add_gap("tensors that `" + name + "` builds", "it is no function that is known here");
    }
  } else if (name == "torch.nn.parameter.Parameter" || name == "torch.autograd.variable.Variable") {
    resolve_variable(id, name == "torch.nn.parameter.Parameter");
  } else if (name == "_codecs.encode") {
    resolve_encoded_bytes(id);
  } else if (name == "numpy._core.multiarray.scalar" || name == "numpy.core.multiarray.scalar") {
    resolve_numpy_scalar(id);
  } else if (name == "builtins.set" || name == "builtins.frozenset") {
    resolve_set(id, name == "builtins.frozenset");
  }
}

void Resolver::resolve_rebuild(ObjectId id, const std::string& name) {
  if (artifact_.tensors.size() >= limits_.tensors) {
    if (!tensors_capped_) {
      artifact_.add_gap("tensors", "more than " + std::to_string(limits_.tensors) +
                                       " tensors; the rest were not looked at");
    }
    tensors_capped_ = true;
    return;
  }
  const ByteRange where = tree_.at(id).where;
  const Object::Call& call = *tree_.as<Object::Call>(id);
  if (!call.items().empty() || !call.appended().empty()) {
    faults_.add(ErrorCode::kPickleBadTarget, where.offset,
                "elements are put into a tensor that " + name + " makes");
    return;
  }
  const ObjectId arguments = call.arguments;
  const std::optional<TensorId> tensor =
      rebuild_tensor({artifact_, member_, limits_, where}, name, arguments_of(tree_, arguments));
  if (!tensor) {
    faults_.add(ErrorCode::kTensorBadArguments, where.offset,
                name + " is called with arguments it does not take: " + tree_.render(arguments));
    return;
  }
  set_state(*tensor, tree_.as<Object::Call>(id)->state, where);
  tree_.at(id).value = Object::TensorRef{*tensor};
}

/// `torch.Tensor.__setstate__` takes (requires_grad, volatile, hooks); older forms put another storage under
/// the tensor.
void Resolver::set_state(TensorId id, ObjectId state, ByteRange where) {
  if (state == kNoObject) return;
  const std::span<const ObjectId> parts = arguments_of(tree_, state);
  const std::optional<bool> gradient =
      parts.size() == 3 ? boolean_of(tree_, parts[0]) : std::nullopt;
  if (!gradient) {
    faults_.add(ErrorCode::kTensorBadArguments, where.offset,
                "a tensor gets a state that is not followed here: " + tree_.render(state));
    return;
  }
  artifact_.tensors[id].requires_grad = *gradient;
  artifact_.tensors[id].parts.emplace_back("", parts[2]);
}

/// Before 0.4 a parameter was a variable around a tensor: `Parameter(tensor)` with the state
/// (requires_grad, volatile, hooks), or, older, `Parameter()` with (tensor, gradient, hooks,
/// requires_grad, volatile), which `torch.Tensor.__setstate__` still takes.
void Resolver::resolve_variable(ObjectId id, bool parameter) {
  constexpr std::size_t kNewer = 3, kOlder = 5, kRequiresGrad = 3;
  const Object::Call& call = *tree_.as<Object::Call>(id);
  const std::span<const ObjectId> arguments = arguments_of(tree_, call.arguments);
  const std::span<const ObjectId> state = arguments_of(tree_, call.state);
  const bool older = state.size() == kOlder;
  if (!older && (state.size() != kNewer || arguments.empty())) return;
  const Object::TensorRef* data =
      tree_.as<Object::TensorRef>(older ? state.front() : arguments.front());
  const std::optional<bool> gradient = boolean_of(tree_, state[older ? kRequiresGrad : 0]);
  if (!data || !gradient) return;
  Tensor& tensor = artifact_.tensors[data->tensor];
  tensor.is_parameter = tensor.is_parameter || parameter;
  tensor.requires_grad = *gradient;
  tree_.at(id).value = Object::TensorRef{data->tensor};
}

/// Protocol 2 has no opcode for bytes: they are written as `_codecs.encode(text, 'latin1')`, text
/// being the same bytes as code points.
void Resolver::resolve_encoded_bytes(ObjectId id) {
  const std::span<const ObjectId> arguments =
      arguments_of(tree_, tree_.as<Object::Call>(id)->arguments);
  if (arguments.size() != 2) return;
  const std::optional<std::string_view> text = tree_.text(arguments[0]);
  const std::optional<std::string_view> codec = tree_.text(arguments[1]);
  if (!text || (codec != "latin1" && codec != "latin-1")) return;
  if (!may_copy(arguments[0], text->size())) return;
  std::string bytes;
  bytes.reserve(text->size());
  for (std::size_t i = 0; i < text->size(); ++i) {
    const auto byte = static_cast<std::uint8_t>((*text)[i]);
    if (byte < 0x80) {
      bytes.push_back(static_cast<char>(byte));
      continue;
    }
    // Code points 0x80 to 0xFF are two bytes of UTF-8, led by 0xC2 or 0xC3.
    if ((byte != 0xC2 && byte != 0xC3) || i + 1 >= text->size()) return;
    const auto next = static_cast<std::uint8_t>((*text)[++i]);
    bytes.push_back(static_cast<char>(((byte & 0x03) << 6) | (next & 0x3F)));
  }
  tree_.at(id).value = Object::Bytes{std::move(bytes)};
}

/// Below protocol 4 a set is a call with a list of its elements.
void Resolver::resolve_set(ObjectId id, bool frozen) {
  const std::span<const ObjectId> arguments =
      arguments_of(tree_, tree_.as<Object::Call>(id)->arguments);
  if (arguments.size() > 1) return;
  Object::Set set;
  set.frozen = frozen;
  if (arguments.size() == 1) {
    const std::vector<ObjectId>* items = tree_.sequence(arguments[0]);
    if (!items || !may_copy(arguments[0], items->size())) return;
    set.items = *items;
  }
  tree_.at(id).value = std::move(set);
}

template <typename T>
std::optional<T> little_endian(std::string_view bytes) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// The number in the bytes of a numpy scalar of type `code`.
std::optional<std::variant<bool, std::int64_t, double>> scalar_value(std::string_view code,
                                                                     std::string_view bytes) {
  using Value = std::variant<bool, std::int64_t, double>;
  const auto widen = [](auto value) -> std::optional<Value> {
    if (!value) return std::nullopt;
    if constexpr (std::is_floating_point_v<std::decay_t<decltype(*value)>>) {
      return Value(static_cast<double>(*value));
    } else {
      return Value(static_cast<std::int64_t>(*value));
    }
  };
  if (code == "f8") return widen(little_endian<double>(bytes));
  if (code == "f4") return widen(little_endian<float>(bytes));
  if (code == "i8") return widen(little_endian<std::int64_t>(bytes));
  if (code == "i4") return widen(little_endian<std::int32_t>(bytes));
  if (code == "i2") return widen(little_endian<std::int16_t>(bytes));
  if (code == "i1") return widen(little_endian<std::int8_t>(bytes));
  if (code == "u4") return widen(little_endian<std::uint32_t>(bytes));
  if (code == "u2") return widen(little_endian<std::uint16_t>(bytes));
  if (code == "u1") return widen(little_endian<std::uint8_t>(bytes));
  if (code == "b1" && bytes.size() == 1) return Value(bytes[0] != 0);
  return std::nullopt;
}

/// scalar(dtype, bytes); the dtype is a call `numpy.dtype('f8', ...)` whose state begins with
/// (3, byte order). Little-endian numbers become plain ones; others stay calls.
void Resolver::resolve_numpy_scalar(ObjectId id) {
  const std::span<const ObjectId> arguments =
      arguments_of(tree_, tree_.as<Object::Call>(id)->arguments);
  if (arguments.size() != 2) return;
  const Object::Call* dtype = tree_.as<Object::Call>(arguments[0]);
  if (!dtype || tree_.qualified_name(dtype->callable) != "numpy.dtype") return;
  const std::span<const ObjectId> dtype_arguments = arguments_of(tree_, dtype->arguments);
  const std::span<const ObjectId> state = arguments_of(tree_, dtype->state);
  if (dtype_arguments.empty()) return;
  if (state.size() > 1 && tree_.text(state[1]) == ">") return;
  std::string_view bytes;
  if (const Object::Bytes* data = tree_.as<Object::Bytes>(arguments[1])) {
    bytes = data->data;
  } else {
    bytes = tree_.text(arguments[1]).value_or("");
  }
  const auto value = scalar_value(tree_.text(dtype_arguments[0]).value_or(""), bytes);
  if (!value) return;
  std::visit([&](auto number) { tree_.at(id).value = number; }, *value);
}

}  // namespace

void resolve_torch_objects(Artifact& artifact, ObjectId first, std::optional<MemberId> member,
                           const StorageResolver& resolve, const Limits& limits) {
  Resolver(artifact, member, resolve, limits).run(first);
}

void describe_torch_pickle(Artifact& artifact, ObjectId root, const Limits& limits) {
  if (!artifact.objects.contains(root)) return;
  find_pickled_modules(artifact, root, limits);
  name_tensors(artifact, root, "", limits);
  describe_objects(artifact, root);
}

}  // namespace torchvet
