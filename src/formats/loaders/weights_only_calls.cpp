// What the functions that torch allows do with their arguments. Each has the forms that torch and
// Python write, and the errors that a damaged pickle brings; every other form is undecided.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/checked.h"
#include "formats/loaders/weights_only.h"
#include "model/tensor.h"

namespace torchvet {
namespace {

std::string form_of(std::string_view function) {
  return fmt::format("{} is called in a form that is not followed here", function);
}

bool is_complex(DType dtype) {
  return dtype == DType::kComplex32 || dtype == DType::kComplex64 || dtype == DType::kComplex128;
}

/// Whether the code points of the text are all below 256. The text is known to be UTF-8.
bool is_latin1(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<std::uint8_t>(c) < 0xc4; });
}

/// The element type that a name of the table stands for.
DType named_dtype(const Loaded& value) {
  constexpr std::size_t kTorch = std::string_view("torch.").size();
  if (value.kind != LoadedKind::kGlobal || value.allowed->kind != AllowedKind::kDType) {
    return DType::kUnknown;
  }
  return dtype_from_name(value.allowed->name.substr(kTorch)).value_or(DType::kUnknown);
}

/// Bytes from the begin of the storage to the end of the last element; nothing when that is no
/// sensible number.
std::optional<std::uint64_t> reach(DType dtype, std::int64_t offset,
                                   const std::vector<std::int64_t>& size,
                                   const std::vector<std::int64_t>& stride) {
  Tensor tensor;
  tensor.storage_offset = offset;
  tensor.shape = size;
  tensor.strides = stride;
  const auto count = tensor.elements_reached();
  const auto bytes = count ? checked_mul(*count, item_size(dtype)) : std::nullopt;
  return bytes && *bytes <= INT64_MAX ? bytes : std::nullopt;
}

/// Elements of a tensor of this size; nothing when torch's own count would overflow.
std::optional<std::int64_t> elements(const std::vector<std::int64_t>& size) {
  std::int64_t count = 1;
  for (const std::int64_t extent : size) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  }
  return count;
}

}  // namespace

/// Raises as Python does when a function gets too few or too many arguments.
bool RestrictedUnpickler::fits_signature(std::string_view function, std::size_t given,
                                         std::size_t least, std::size_t most) {
  if (given < least)
    fail("TypeError", fmt::format("{}() missing {} required", function, least - given));
  if (given > most) {
    fail("TypeError", least == most
                          ? fmt::format("{}() takes {} positional argument{} but {} were given",
                                        function, most, most == 1 ? "" : "s", given)
                          : fmt::format("{}() takes from {} to {} positional arguments but {} "
                                        "were given",
                                        function, least, most, given));
  }
  return !end_;
}

std::optional<std::vector<std::int64_t>> RestrictedUnpickler::whole_numbers(LoadedId id) const {
  const Loaded& value = values_[id];
  if (value.kind != LoadedKind::kTuple && value.kind != LoadedKind::kSize) return std::nullopt;
  if (value.items.size() > limits_.tensor_dimensions) return std::nullopt;
  std::vector<std::int64_t> numbers;
  for (const LoadedId item : value.items) {
    if (values_[item].kind != LoadedKind::kInt) return std::nullopt;
    numbers.push_back(values_[item].number);
  }
  return numbers;
}

bool RestrictedUnpickler::are_hooks(LoadedId id) const {
  return values_[id].kind == LoadedKind::kOrderedDict || values_[id].kind == LoadedKind::kNone;
}

Loaded RestrictedUnpickler::tensor(DType dtype, std::vector<std::int64_t> size) {
  tensors_.push_back({dtype, std::move(size)});
  Loaded made;
  made.kind = LoadedKind::kTensor;
  made.number = static_cast<std::int64_t>(tensors_.size() - 1);
  return made;
}

Loaded RestrictedUnpickler::call(const AllowedName& name, Arguments arguments) {
  const std::string_view last = name.name.substr(name.name.rfind('.') + 1);
  if (name.kind != AllowedKind::kFunction) return call_class(name, arguments);
  if (last == "encode") return encode(arguments, LoadedKind::kBytes);
  if (last == "_get_layout") return layout(arguments);
  if (last == "_rebuild_tensor" || last == "_rebuild_tensor_v2" || last == "_rebuild_tensor_v3") {
    return rebuild_tensor(name, arguments);
  }
  if (last == "_rebuild_parameter" || last == "_rebuild_parameter_with_state") {
    return rebuild_parameter(name, arguments);
  }
  if (last == "_rebuild_from_type_v2") return rebuild_from_type(arguments);
  if (last == "_rebuild_sparse_tensor") return rebuild_sparse(arguments);
  if (last == "_rebuild_meta_tensor_no_storage") return rebuild_meta(arguments);
  leave(form_of(name.name));
  return {};
}

Loaded RestrictedUnpickler::call_class(const AllowedName& name, Arguments arguments) {
  if (name.name == "collections.OrderedDict") return make_ordered_dict(arguments);
  if (name.name == "builtins.set") return make_set(arguments);
  if (name.name == "builtins.bytearray") return encode(arguments, LoadedKind::kByteArray);
  if (name.name == "torch.Size") return make_size(arguments);
  if (name.name == "torch.device") return make_device(arguments);
  if (name.name == "collections.Counter" && arguments.size() <= 1) {
    Loaded counter;
    counter.kind = LoadedKind::kCounter;
    if (arguments.empty()) return counter;
    const Loaded& counts = values_[arguments.front()];
    if (!may_read(counts.items.size())) return {};
    if (counts.kind == LoadedKind::kDict || counts.kind == LoadedKind::kNone) {
      counter.items = counts.items;
      return counter;
    }
  }
  if (name.name == "builtins.complex" && arguments.size() <= 2) {
    const bool numbers = std::all_of(arguments.begin(), arguments.end(), [&](LoadedId id) {
      const LoadedKind kind = values_[id].kind;
      return kind == LoadedKind::kFloat || kind == LoadedKind::kInt || kind == LoadedKind::kBool;
    });
    Loaded made;
    made.kind = LoadedKind::kComplex;
    if (numbers) return made;
  }
  leave(form_of(name.name));
  return {};
}

Loaded RestrictedUnpickler::make_ordered_dict(Arguments arguments) {
  Loaded made;
  made.kind = LoadedKind::kOrderedDict;
  if (arguments.empty()) return made;
  const Loaded& pairs = values_[arguments.front()];
  if (!may_read(pairs.items.size())) return {};
  if (arguments.size() == 1 && pairs.kind == LoadedKind::kDict) {
    made.items = pairs.items;
    return made;
  }
  if (arguments.size() != 1 || pairs.kind != LoadedKind::kList) {
    leave(form_of("collections.OrderedDict"));
    return {};
  }
  for (const LoadedId id : pairs.items) {
    const Loaded& pair = values_[id];
    const bool good = (pair.kind == LoadedKind::kTuple || pair.kind == LoadedKind::kList) &&
                      pair.items.size() == 2;
    if (!good) leave(form_of("collections.OrderedDict"));
    if (!good || !can_be_key(pair.items[0])) return {};
    made.items.insert(made.items.end(), pair.items.begin(), pair.items.end());
  }
  return made;
}

Loaded RestrictedUnpickler::make_set(Arguments arguments) {
  Loaded made;
  made.kind = LoadedKind::kSet;
  if (arguments.empty()) return made;
  const Loaded& from = values_[arguments.front()];
  if (arguments.size() != 1 ||
      (from.kind != LoadedKind::kList && from.kind != LoadedKind::kTuple)) {
    leave(form_of("set"));
    return {};
  }
  if (!may_read(from.items.size())) return {};
  for (const LoadedId id : from.items) {
    if (!can_be_key(id)) return {};
  }
  return made;
}

/// Bytes of a text in Latin-1, as protocol 2 writes bytes and bytearrays.
Loaded RestrictedUnpickler::encode(Arguments arguments, LoadedKind kind) {
  Loaded made;
  made.kind = kind;
  const bool array = kind == LoadedKind::kByteArray;
  if (array && arguments.empty()) return made;
  if (array && arguments.size() == 1 && values_[arguments[0]].kind == LoadedKind::kBytes)
    return made;
  if (arguments.size() == 2 && values_[arguments[0]].kind == LoadedKind::kText &&
      values_[arguments[1]].kind == LoadedKind::kText) {
    const std::string_view encoding = values_[arguments[1]].text;
    if ((encoding == "latin1" || encoding == "latin-1") && is_latin1(values_[arguments[0]].text)) {
      return made;
    }
  }
  leave(form_of(array ? "bytearray" : "_codecs.encode"));
  return {};
}

Loaded RestrictedUnpickler::make_size(Arguments arguments) {
  Loaded made;
  made.kind = LoadedKind::kSize;
  if (arguments.empty()) return made;
  if (arguments.size() != 1 || !whole_numbers(arguments[0])) {
    leave(form_of("torch.Size"));
    return {};
  }
  made.items = values_[arguments[0]].items;
  return made;
}

Loaded RestrictedUnpickler::make_device(Arguments arguments) {
  constexpr std::array<std::string_view, 6> kTypes = {"cpu", "cuda", "mps", "xpu", "meta", "hpu"};
  const bool types =
      !arguments.empty() && values_[arguments[0]].kind == LoadedKind::kText &&
      std::find(kTypes.begin(), kTypes.end(), values_[arguments[0]].text) != kTypes.end();
  const bool index = arguments.size() == 1 ||
                     (arguments.size() == 2 && values_[arguments[1]].kind == LoadedKind::kInt &&
                      values_[arguments[1]].number >= 0 && values_[arguments[1]].number < 100);
  if (!types || !index) leave(form_of("torch.device"));
  Loaded made;
  made.kind = LoadedKind::kDevice;
  return made;
}

Loaded RestrictedUnpickler::layout(Arguments arguments) {
  constexpr std::array<std::string_view, 8> kLayouts = {
      "torch.strided",    "torch.sparse_coo", "torch.sparse_csr", "torch.sparse_csc",
      "torch.sparse_bsr", "torch.sparse_bsc", "torch.jagged",     "torch._mkldnn"};
  if (!fits_signature("_get_layout", arguments.size(), 1, 1)) return {};
  const Loaded& name = values_[arguments[0]];
  if (name.kind != LoadedKind::kText) {
    leave(form_of("torch.serialization._get_layout"));
    return {};
  }
  if (std::find(kLayouts.begin(), kLayouts.end(), name.text) == kLayouts.end()) {
    fail("KeyError", "");
    return {};
  }
  Loaded made;
  made.kind = LoadedKind::kLayout;
  made.text = name.text;
  return made;
}

/// Tensor.set_(storage, offset, size, stride) on an empty tensor.
void RestrictedUnpickler::set_storage(const LoadedStorage& storage, DType dtype,
                                      std::int64_t offset, const std::vector<std::int64_t>& size,
                                      const std::vector<std::int64_t>& stride) {
  if (offset < 0) {
    return fail("RuntimeError", fmt::format("Tensor: invalid storage offset {}", offset));
  }
  if (size.size() != stride.size())
    return leave("a tensor has sizes and strides of unequal length");
  if (!elements(size)) return leave("the sizes of a tensor are no sizes");
  const bool empty = std::find(size.begin(), size.end(), 0) != size.end();
  const bool negative =
      std::any_of(stride.begin(), stride.end(), [](std::int64_t s) { return s < 0; });
  if (negative && empty) return leave("an empty tensor has negative strides");
  if (negative) return fail("RuntimeError", "Storage size calculation overflowed with sizes=");
  const std::optional<std::uint64_t> bytes = reach(dtype, offset, size, stride);
  if (!bytes) return leave("the strides of a tensor overflow");
  if (*bytes <= storage.bytes) return;
  if (storage.can_grow || storage.is_meta) return leave("a tensor is larger than its storage");
  fail("RuntimeError", "Trying to resize storage that is not resizable");
}

Loaded RestrictedUnpickler::rebuild_tensor(const AllowedName& name, Arguments arguments) {
  const std::string_view function = name.name.substr(name.name.rfind('.') + 1);
  const bool first = function == "_rebuild_tensor", third = function == "_rebuild_tensor_v3";
  const std::size_t least = first ? 4 : third ? 7 : 6;
  if (!fits_signature(function, arguments.size(), least, first ? 4 : least + 1)) return {};
  const Loaded& storage = values_[arguments[0]];
  const Loaded& offset = values_[arguments[1]];
  const auto size = whole_numbers(arguments[2]), stride = whole_numbers(arguments[3]);
  bool good =
      storage.kind == LoadedKind::kStorage && offset.kind == LoadedKind::kInt && size && stride;
  bool requires_grad = false;
  if (!first) {
    const Loaded& wanted = values_[arguments[4]];
    good = good && wanted.kind == LoadedKind::kBool && are_hooks(arguments[5]);
    requires_grad = wanted.number != 0;
  }
  if (!good) {
    leave(form_of(name.name));
    return {};
  }
  const LoadedStorage& from = loaded_[static_cast<std::size_t>(storage.number)];
  DType dtype = from.dtype;
  if (third) {
    dtype = named_dtype(values_[arguments[6]]);
    if (dtype == DType::kUnknown) {
      leave(form_of(name.name));
      return {};
    }
  }
  if (dtype == DType::kQint8 || dtype == DType::kQuint8 || dtype == DType::kQint32 ||
      dtype == DType::kQuint4x2 || dtype == DType::kQuint2x4) {
    leave(form_of(name.name));
    return {};
  }
  const bool can_require = is_floating_point(dtype) || is_complex(dtype);
  constexpr std::string_view kCannot =
      "only Tensors of floating point and complex dtype can require gradients";
  if (third && requires_grad && !can_require) {
    fail("RuntimeError", "Only Tensors of floating point and complex dtype can require gradients");
  }
  set_storage(from, dtype, offset.number, *size, *stride);
  if (!first && !third && requires_grad && !can_require) fail("RuntimeError", kCannot);
  if (arguments.size() > least) {
    // Whether the tensor is conjugated, as complex ones can be, or negated.
    const Loaded& metadata = values_[arguments[least]];
    const bool none = metadata.kind == LoadedKind::kNone ||
                      (metadata.kind == LoadedKind::kDict && metadata.items.empty());
    const bool one = metadata.kind == LoadedKind::kDict && metadata.items.size() == 2 &&
                     values_[metadata.items[1]].kind == LoadedKind::kBool;
    const std::string_view flag = one ? values_[metadata.items[0]].text : std::string_view();
    const bool flagged = (flag == "conj" && is_complex(dtype)) || (flag == "neg" && can_require);
    if (!none && !flagged) leave(form_of(name.name));
  }
  return tensor(dtype, *size);
}

Loaded RestrictedUnpickler::rebuild_parameter(const AllowedName& name, Arguments arguments) {
  const std::string_view function = name.name.substr(name.name.rfind('.') + 1);
  const std::size_t count = function == "_rebuild_parameter" ? 3 : 4;
  if (!fits_signature(function, arguments.size(), count, count)) return {};
  const Loaded data = values_[arguments[0]];
  const Loaded& wanted = values_[arguments[1]];
  bool good = (data.kind == LoadedKind::kTensor || data.kind == LoadedKind::kParameter) &&
              wanted.kind == LoadedKind::kBool && are_hooks(arguments[2]);
  if (count == 4) {
    good = good && is_plain_state(arguments[3]);
  }
  if (!good) {
    leave(form_of(name.name));
    return {};
  }
  const DType dtype = tensors_[static_cast<std::size_t>(data.number)].dtype;
  if (wanted.number != 0 && !is_floating_point(dtype) && !is_complex(dtype)) {
    fail("RuntimeError", "Only Tensors of floating point and complex dtype can require gradients");
  }
  Loaded made = data;
  made.kind = LoadedKind::kParameter;
  return made;
}

/// Attributes of a tensor of which it is known that they can be set: none, or those of a buffer.
bool RestrictedUnpickler::is_plain_state(LoadedId id) {
  const Loaded& state = values_[id];
  if (state.kind == LoadedKind::kNone) return true;
  if (state.kind != LoadedKind::kDict || !may_read(state.items.size())) return false;
  for (std::size_t i = 0; i < state.items.size(); i += 2) {
    const Loaded& key = values_[state.items[i]];
    const bool known = key.kind == LoadedKind::kText &&
                       (key.text == "_is_buffer" || key.text == "persistent") &&
                       values_[state.items[i + 1]].kind == LoadedKind::kBool;
    if (!known) return false;
  }
  return true;
}

/// A tensor with attributes, or of a class of its own.
Loaded RestrictedUnpickler::rebuild_from_type(Arguments arguments) {
  if (!fits_signature("_rebuild_from_type_v2", arguments.size(), 4, 4)) return {};
  const Loaded& function = values_[arguments[0]];
  const Loaded& type = values_[arguments[1]];
  const Loaded& inner = values_[arguments[2]];
  const bool good = function.kind == LoadedKind::kGlobal &&
                    function.allowed->kind == AllowedKind::kFunction &&
                    function.allowed->name.starts_with("torch._utils._rebuild_tensor") &&
                    type.kind == LoadedKind::kGlobal && type.allowed->name == "torch.Tensor" &&
                    inner.kind == LoadedKind::kTuple && is_plain_state(arguments[3]);
  if (!good) {
    leave(form_of("torch._tensor._rebuild_from_type_v2"));
    return {};
  }
  if (!may_read(inner.items.size())) return {};
  const std::vector<LoadedId> given = inner.items;
  return rebuild_tensor(*function.allowed, given);
}

Loaded RestrictedUnpickler::rebuild_sparse(Arguments arguments) {
  if (!fits_signature("_rebuild_sparse_tensor", arguments.size(), 2, 2)) return {};
  const Loaded& layout = values_[arguments[0]];
  const Loaded& data = values_[arguments[1]];
  const auto leave_form = [&]() -> Loaded {
    leave(form_of("torch._utils._rebuild_sparse_tensor"));
    return {};
  };
  // From 2.15 on the indices themselves are looked at.
  constexpr TorchRelease kChecksIndices = {2, 15};
  const bool known = layout.kind == LoadedKind::kLayout && layout.text == "torch.sparse_coo";
  if (!known || data.kind != LoadedKind::kTuple || release_ >= kChecksIndices) return leave_form();
  if (data.items.size() != 3 && data.items.size() != 4) return leave_form();
  const Loaded& indices = values_[data.items[0]];
  const Loaded& numbers = values_[data.items[1]];
  const auto size = whole_numbers(data.items[2]);
  const bool flag = data.items.size() == 3 || values_[data.items[3]].kind == LoadedKind::kBool;
  if (indices.kind != LoadedKind::kTensor || numbers.kind != LoadedKind::kTensor || !size ||
      !flag) {
    return leave_form();
  }
  const LoadedTensor& where = tensors_[static_cast<std::size_t>(indices.number)];
  const LoadedTensor what = tensors_[static_cast<std::size_t>(numbers.number)];
  const bool fits =
      where.dtype == DType::kInt64 && where.size.size() == 2 && !what.size.empty() &&
      where.size[1] == what.size[0] && where.size[0] >= 0 &&
      static_cast<std::size_t>(where.size[0]) + what.size.size() - 1 == size->size() &&
      elements(*size) &&
      std::equal(what.size.begin() + 1, what.size.end(), size->begin() + where.size[0]);
  if (!fits) return leave_form();
  return tensor(what.dtype, *size);
}

Loaded RestrictedUnpickler::rebuild_meta(Arguments arguments) {
  if (!fits_signature("_rebuild_meta_tensor_no_storage", arguments.size(), 4, 4)) return {};
  const auto size = whole_numbers(arguments[1]), stride = whole_numbers(arguments[2]);
  const Loaded& wanted = values_[arguments[3]];
  const DType dtype = named_dtype(values_[arguments[0]]);
  const bool sane = size && stride && size->size() == stride->size() && elements(*size) &&
                    std::all_of(stride->begin(), stride->end(), [](auto s) { return s >= 0; }) &&
                    reach(dtype, 0, *size, *stride);
  const bool floats = is_floating_point(dtype) || is_complex(dtype);
  if (dtype == DType::kUnknown || !sane || wanted.kind != LoadedKind::kBool ||
      (wanted.number != 0 && !floats)) {
    leave(form_of("torch._utils._rebuild_meta_tensor_no_storage"));
    return {};
  }
  return tensor(dtype, *size);
}

}  // namespace torchvet
