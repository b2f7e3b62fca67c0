// What the functions make that build tensors.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/checked.h"
#include "formats/loaders/weights_only.h"
#include "model/artifact.h"
#include "model/tensor.h"

namespace torchvet {
namespace {

bool is_complex(DType dtype) {
  return dtype == DType::kComplex32 || dtype == DType::kComplex64 || dtype == DType::kComplex128;
}

bool is_quantized(DType dtype) {
  return dtype == DType::kQint8 || dtype == DType::kQuint8 || dtype == DType::kQint32 ||
         dtype == DType::kQuint4x2 || dtype == DType::kQuint2x4;
}

/// Attributes that torch.Tensor defines as properties: to set one raises, or does something.
bool is_property_of_tensors(std::string_view name) {
  constexpr std::array<std::string_view, 51> kNames = {
      "H", "T", "__class__", "__cuda_array_interface__", "__dict__", "__weakref__",
      "_backward_hooks", "_base", "_cdata", "_grad", "_grad_fn", "_has_symbolic_sizes_strides",
      "_post_accumulate_grad_hooks", "_python_dispatch", "_version", "data", "device", "dtype",
      "grad", "grad_dtype", "grad_fn", "imag", "is_cpu", "is_cuda", "is_ipu", "is_leaf", "is_maia",
      "is_meta", "is_mkldnn", "is_mps", "is_mtia", "is_nested", "is_quantized", "is_sparse",
      "is_sparse_csr", "is_vulkan", "is_xla", "is_xpu", "itemsize", "layout", "mH", "mT", "name",
      "nbytes", "ndim", "output_nr", "real", "requires_grad", "retains_grad", "shape", "volatile"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
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

/// The shapes of the parts of a compressed sparse tensor.
struct CompressedShape {
  const std::vector<std::int64_t>& compressed;
  const std::vector<std::int64_t>& plain;
  const std::vector<std::int64_t>& numbers;
  const std::vector<std::int64_t>& size;
  bool rows = false;    ///< it is the rows that are compressed
  bool blocks = false;  ///< an element is a block of rows and columns
};

bool is_consistent(const CompressedShape& shape) {
  const std::size_t batch = shape.compressed.size() - 1;
  const std::size_t inner = batch + 1 + (shape.blocks ? 2 : 0);  // where an element begins
  if (shape.size.size() < batch + 2 || shape.plain.size() != batch + 1 ||
      shape.numbers.size() != inner + shape.size.size() - batch - 2) {
    return false;
  }
  const auto same = [](const auto& a, std::size_t at, const auto& b, std::size_t from, std::size_t count) {
    return std::equal(a.begin() + static_cast<std::ptrdiff_t>(at),
                      a.begin() + static_cast<std::ptrdiff_t>(at + count),
                      b.begin() + static_cast<std::ptrdiff_t>(from));
  };
  const std::size_t side = batch + (shape.rows ? 0 : 1);
  const std::int64_t block = shape.blocks ? shape.numbers[batch + (shape.rows ? 1 : 2)] : 1;
  const std::int64_t other = shape.blocks ? shape.numbers[batch + (shape.rows ? 2 : 1)] : 1;
  const std::int64_t other_size = shape.size[batch + (shape.rows ? 1 : 0)];
  if (block <= 0 || other <= 0 || shape.size[side] % block != 0 || other_size % other != 0) return false;
  return same(shape.compressed, 0, shape.size, 0, batch) && same(shape.plain, 0, shape.size, 0, batch) &&
         same(shape.numbers, 0, shape.size, 0, batch) && shape.numbers[batch] == shape.plain[batch] &&
         shape.compressed[batch] == shape.size[side] / block + 1 &&
         same(shape.numbers, inner, shape.size, batch + 2, shape.numbers.size() - inner);
}

}  // namespace

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

/// Tensor.set_(storage, offset, size, stride) on an empty tensor.
void RestrictedUnpickler::set_storage(const LoadedStorage& storage, DType dtype,
                                      std::int64_t offset, const std::vector<std::int64_t>& size,
                                      const std::vector<std::int64_t>& stride) {
  // An empty tuple of strides stands for those of a contiguous tensor.
  if (!stride.empty() && size.size() != stride.size()) {
    return fail("RuntimeError", fmt::format("unequal size length ({}) and stride length ({})",
                                            size.size(), stride.size()));
  }
  if (offset < 0) {
    return fail("RuntimeError", fmt::format("Tensor: invalid storage offset {}", offset));
  }
  if (!elements(size)) return leave("the sizes of a tensor are no sizes");
  const bool empty = std::find(size.begin(), size.end(), 0) != size.end();
  const bool negative =
      std::any_of(stride.begin(), stride.end(), [](std::int64_t s) { return s < 0; });
  if (negative && empty) return leave("an empty tensor has negative strides");
  if (negative) return fail("RuntimeError", "Storage size calculation overflowed with sizes=");
  const std::optional<std::uint64_t> bytes =
      reach(dtype, offset, size, stride.empty() ? row_major_strides(size) : stride);
  if (!bytes) return leave("the strides of a tensor overflow");
  if (*bytes <= storage.bytes) return;
  if (storage.is_meta) return;  // which grows
  if (storage.can_grow) return leave("a tensor is larger than its storage", LoadProblem::kOutside);
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
  if (is_quantized(dtype)) {
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

/// Attributes of a tensor of which it is known that they can be set: those that are none of its
/// own properties.
bool RestrictedUnpickler::is_plain_state(LoadedId id) {
  const Loaded& state = values_[id];
  if (state.kind == LoadedKind::kNone) return true;
  if (state.kind != LoadedKind::kDict || !may_read(state.items.size())) return false;
  for (std::size_t i = 0; i < state.items.size(); i += 2) {
    const Loaded& key = values_[state.items[i]];
    if (key.kind != LoadedKind::kText || is_property_of_tensors(key.text)) return false;
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
  if (layout.kind == LoadedKind::kLayout && layout.text != "torch.sparse_coo") {
    return rebuild_compressed(layout.text, data);
  }
  if (layout.kind != LoadedKind::kLayout || data.kind != LoadedKind::kTuple ||
      release_ >= kChecksIndices) {
    return leave_form();
  }
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

/// (compressed indices, plain indices, values, size), as `to_sparse_csr` and its like make them: batches
/// first, then the rows and columns, or the blocks of these, then what each element holds.
Loaded RestrictedUnpickler::rebuild_compressed(std::string_view layout, const Loaded& data) {
  const auto leave_form = [&]() -> Loaded {
    leave(form_of("torch._utils._rebuild_sparse_tensor"));
    return {};
  };
  constexpr TorchRelease kChecksIndices = {2, 15};
  const bool blocks = layout == "torch.sparse_bsr" || layout == "torch.sparse_bsc";
  const bool rows = layout == "torch.sparse_csr" || layout == "torch.sparse_bsr";
  const bool known = blocks || rows || layout == "torch.sparse_csc";
  if (!known || release_ >= kChecksIndices) return leave_form();
  if (data.kind != LoadedKind::kTuple || data.items.size() != 4) return leave_form();
  std::array<LoadedTensor, 3> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Loaded& part = values_[data.items[i]];
    if (part.kind != LoadedKind::kTensor) return leave_form();
    parts[i] = tensors_[static_cast<std::size_t>(part.number)];
    if (parts[i].is_meta) return leave_form();
  }
  const auto size = whole_numbers(data.items[3]);
  const auto& [compressed, plain, numbers] = parts;
  const bool indices = (compressed.dtype == DType::kInt64 || compressed.dtype == DType::kInt32) &&
                       plain.dtype == compressed.dtype && !is_quantized(numbers.dtype);
  if (!size || !elements(*size) || !indices || compressed.size.empty()) return leave_form();
  const CompressedShape shape = {compressed.size, plain.size, numbers.size, *size, rows, blocks};
  return is_consistent(shape) ? tensor(numbers.dtype, *size) : leave_form();
}

/// The numbers in `sizes` and `offsets` must fit the buffer, which is not read here.
Loaded RestrictedUnpickler::rebuild_nested(Arguments arguments) {
  if (!fits_signature("_rebuild_nested_tensor", arguments.size(), 4, 4)) return {};
  const bool tensors = std::all_of(arguments.begin(), arguments.end(), [&](LoadedId id) {
    return values_[id].kind == LoadedKind::kTensor;
  });
  if (tensors) {
    leave("it depends on the numbers of a nested tensor", LoadProblem::kOutside);
  } else {
    leave(form_of("torch._utils._rebuild_nested_tensor"));
  }
  return {};
}

/// (storage, offset, size, stride, quantizer, requires_grad, hooks)
Loaded RestrictedUnpickler::rebuild_quantized(Arguments arguments) {
  if (!fits_signature("_rebuild_qtensor", arguments.size(), 7, 7)) return {};
  const Loaded& storage = values_[arguments[0]];
  const Loaded& offset = values_[arguments[1]];
  const auto size = whole_numbers(arguments[2]), stride = whole_numbers(arguments[3]);
  const Loaded& quantizer = values_[arguments[4]];
  const Loaded& wanted = values_[arguments[5]];
  bool good = storage.kind == LoadedKind::kStorage && offset.kind == LoadedKind::kInt && size &&
              stride && elements(*size) && quantizer.kind == LoadedKind::kTuple &&
              wanted.kind == LoadedKind::kBool && wanted.number == 0 && are_hooks(arguments[6]) &&
              quantizer.items.size() >= 3;
  DType dtype = DType::kUnknown;
  if (good) {
    dtype = loaded_[static_cast<std::size_t>(storage.number)].dtype;
    good = (dtype == DType::kQint8 || dtype == DType::kQuint8 || dtype == DType::kQint32) &&
           is_known_quantizer(quantizer, *size);
  }
  if (!good) {
    leave(form_of("torch._utils._rebuild_qtensor"));
    return {};
  }
  const LoadedStorage& from = loaded_[static_cast<std::size_t>(storage.number)];
  set_storage(from, dtype, offset.number, *size, *stride);
  return tensor(dtype, *size);
}

/// (per_tensor_affine, scale, zero point), or (per_channel_affine, scales, zero points, axis) with
/// tensors that have one number for each channel.
bool RestrictedUnpickler::is_known_quantizer(const Loaded& quantizer,
                                             const std::vector<std::int64_t>& size) const {
  const auto item = [&](std::size_t i) -> const Loaded& { return values_[quantizer.items[i]]; };
  if (item(0).kind != LoadedKind::kGlobal) return false;
  if (item(0).allowed->name == "torch.per_tensor_affine") {
    return quantizer.items.size() == 3 && item(1).kind == LoadedKind::kFloat &&
           item(2).kind == LoadedKind::kInt && item(2).number >= 0 && item(2).number < 128;
  }
  if (item(0).allowed->name != "torch.per_channel_affine" || quantizer.items.size() != 4 ||
      item(1).kind != LoadedKind::kTensor || item(2).kind != LoadedKind::kTensor ||
      item(3).kind != LoadedKind::kInt) {
    return false;
  }
  const std::int64_t axis = item(3).number;
  if (axis < 0 || axis >= static_cast<std::int64_t>(size.size())) return false;
  const std::vector<std::int64_t> channels = {size[static_cast<std::size_t>(axis)]};
  const LoadedTensor& scales = tensors_[static_cast<std::size_t>(item(1).number)];
  const LoadedTensor& zeros = tensors_[static_cast<std::size_t>(item(2).number)];
  return scales.size == channels && zeros.size == channels && scales.dtype == DType::kFloat64 &&
         zeros.dtype == DType::kInt64 && !scales.is_meta && !zeros.is_meta;
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
  Loaded made = tensor(dtype, *size);
  tensors_.back().is_meta = true;
  return made;
}

}  // namespace torchvet
