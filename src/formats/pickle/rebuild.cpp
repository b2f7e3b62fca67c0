#include "formats/pickle/rebuild.h"

#include <utility>
#include <vector>

#include "formats/pickle/arguments.h"

// The functions that torch's pickles call to make a tensor, and the order of their arguments, as
// torch/_utils.py and torch/_tensor.py define them. Sizes, strides and offsets are in elements.
namespace torchvet {
namespace {

using Arguments = std::span<const ObjectId>;
using Rebuild = std::optional<TensorId> (*)(const RebuildContext&, Arguments);

std::optional<TensorId> tensor_of(const RebuildContext& context, ObjectId id) {
  const Object::TensorRef* reference = context.artifact.objects.as<Object::TensorRef>(id);
  return reference ? std::optional<TensorId>(reference->tensor) : std::nullopt;
}

TensorId add(const RebuildContext& context, Tensor tensor) {
  tensor.member = context.member;
  if (tensor.where.length == 0) tensor.where = context.where;
  context.artifact.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(context.artifact.tensors.size() - 1);
}

/// Attributes set on a tensor: a dict, or a pair of one and the values of slots.
void add_attributes(const ObjectTree& tree, ObjectId state, Tensor& tensor) {
  const Arguments pair = arguments_of(tree, state);
  if (pair.size() == 2) {
    tensor.parts.emplace_back("", pair[0]);
    tensor.parts.emplace_back("", pair[1]);
  } else if (!tree.as<Object::None>(state)) {
    tensor.parts.emplace_back("", state);
  }
}

/// The first four arguments that most functions share: storage, offset, size, stride.
std::optional<Tensor> strided(const RebuildContext& context, Arguments arguments) {
  const ObjectTree& tree = context.artifact.objects;
  const Object::StorageRef* storage = tree.as<Object::StorageRef>(arguments[0]);
  const std::optional<std::int64_t> offset = tree.integer(arguments[1]);
  auto shape = sizes_of(tree, arguments[2], context.limits);
  auto strides = sizes_of(tree, arguments[3], context.limits);
  if (!storage || !offset || !shape || !strides) return std::nullopt;
  if (shape->size() != strides->size()) return std::nullopt;  // torch refuses it too
  Tensor tensor;
  tensor.storage = storage->storage;
  tensor.dtype = context.artifact.storages[storage->storage].dtype;
  tensor.device = context.artifact.storages[storage->storage].location;
  tensor.storage_offset = *offset;
  tensor.shape = std::move(*shape);
  tensor.strides = std::move(*strides);
  // From the offset, which each tensor spells anew, to the call.
  const std::uint64_t begin = tree.at(arguments[1]).where.offset;
  const std::uint64_t end = context.where.offset + context.where.length;
  if (begin < context.where.offset) tensor.where = {begin, end - begin};
  return tensor;
}

/// The dict `{'conj': True}`, `{'neg': True}` that some functions take last, or None. False when something
/// else is there.
bool read_flags(const RebuildContext& context, Arguments arguments, std::size_t position, Tensor& tensor) {
  if (position >= arguments.size()) return true;
  const ObjectTree& tree = context.artifact.objects;
  const ObjectId flags = arguments[position];
  if (!tree.as<Object::None>(flags) && tree.mapping(flags) == nullptr) return false;
  tensor.conjugate = boolean_of(tree, tree.get(flags, "conj")).value_or(false);
  tensor.negative = boolean_of(tree, tree.get(flags, "neg")).value_or(false);
  return true;
}

/// Hooks of backward are a dict, an empty one in what torch saves, or None.
bool are_hooks(const ObjectTree& tree, ObjectId id) {
  return tree.as<Object::Call>(id) || tree.as<Object::Dict>(id) || tree.as<Object::None>(id);
}

/// (storage, offset, size, stride)
std::optional<TensorId> rebuild_v1(const RebuildContext& context, Arguments arguments) {
  std::optional<Tensor> tensor = strided(context, arguments);
  if (!tensor) return std::nullopt;
  return add(context, std::move(*tensor));
}

/// (storage, offset, size, stride, requires_grad, hooks[, flags])
std::optional<TensorId> rebuild_v2(const RebuildContext& context, Arguments arguments) {
  std::optional<Tensor> tensor = strided(context, arguments);
  if (!tensor) return std::nullopt;
  const std::optional<bool> gradient = boolean_of(context.artifact.objects, arguments[4]);
  if (!gradient || !are_hooks(context.artifact.objects, arguments[5])) return std::nullopt;
  tensor->requires_grad = *gradient;
  if (!read_flags(context, arguments, 6, *tensor)) return std::nullopt;
  return add(context, std::move(*tensor));
}

/// (storage, offset, size, stride, requires_grad, hooks, dtype[, flags]); the storage is untyped
std::optional<TensorId> rebuild_v3(const RebuildContext& context, Arguments arguments) {
  std::optional<Tensor> tensor = strided(context, arguments);
  if (!tensor) return std::nullopt;
  const std::optional<bool> gradient = boolean_of(context.artifact.objects, arguments[4]);
  const std::optional<DType> dtype = dtype_of(context.artifact.objects, arguments[6]);
  if (!gradient || !dtype || !are_hooks(context.artifact.objects, arguments[5])) return std::nullopt;
  tensor->requires_grad = *gradient;
  tensor->dtype = *dtype;
  if (!read_flags(context, arguments, 7, *tensor)) return std::nullopt;
  return add(context, std::move(*tensor));
}

/// (tensor, requires_grad, hooks[, attributes])
std::optional<TensorId> rebuild_parameter(const RebuildContext& context, Arguments arguments) {
  const std::optional<TensorId> id = tensor_of(context, arguments[0]);
  const std::optional<bool> gradient = boolean_of(context.artifact.objects, arguments[1]);
  if (!id || !gradient || !are_hooks(context.artifact.objects, arguments[2])) return std::nullopt;
  Tensor& tensor = context.artifact.tensors[*id];
  tensor.is_parameter = true;
  tensor.requires_grad = *gradient;
  if (arguments.size() > 3) add_attributes(context.artifact.objects, arguments[3], tensor);
  return id;
}

/// (storage, offset, size, stride, quantizer, requires_grad, hooks); the quantizer is
/// (scheme, scale, zero_point), or (scheme, scales, zero_points, axis) with tensors
std::optional<TensorId> rebuild_quantized(const RebuildContext& context, Arguments arguments) {
  std::optional<Tensor> tensor = strided(context, arguments);
  if (!tensor) return std::nullopt;
  const ObjectTree& tree = context.artifact.objects;
  const std::optional<bool> gradient = boolean_of(tree, arguments[5]);
  const Arguments quantizer = arguments_of(tree, arguments[4]);
  if (!gradient || quantizer.size() < 3 || !are_hooks(tree, arguments[6])) return std::nullopt;
  tensor->requires_grad = *gradient;
  if (tree.as<Object::TensorRef>(quantizer[1])) {
    tensor->parts.emplace_back(".scales", quantizer[1]);
    tensor->parts.emplace_back(".zero_points", quantizer[2]);
  }
  return add(context, std::move(*tensor));
}

struct SparseLayout {
  std::string_view name;
  std::string_view first;   ///< of the data tuple
  std::string_view second;  ///< empty: the values come second
};
constexpr SparseLayout kSparseLayouts[] = {
    {"sparse_coo", ".indices", ""},
    {"sparse_csr", ".crow_indices", ".col_indices"},
    {"sparse_csc", ".ccol_indices", ".row_indices"},
    {"sparse_bsr", ".crow_indices", ".col_indices"},
    {"sparse_bsc", ".ccol_indices", ".row_indices"},
};

/// (layout, data); data is (indices, values, size[, coalesced]), or (compressed, plain, values,
/// size). The tensor has no storage of its own: its parts are tensors.
std::optional<TensorId> rebuild_sparse(const RebuildContext& context, Arguments arguments) {
  const ObjectTree& tree = context.artifact.objects;
  const std::string name = layout_of(tree, arguments[0]);
  const Arguments data = arguments_of(tree, arguments[1]);
  for (const SparseLayout& layout : kSparseLayouts) {
    if (layout.name != name) continue;
    const std::size_t values_at = layout.second.empty() ? 1 : 2;
    const bool may_be_coalesced = layout.second.empty();
    const std::size_t most = values_at + (may_be_coalesced ? 3 : 2);
    if (data.size() < values_at + 2 || data.size() > most) return std::nullopt;
    const std::optional<TensorId> values = tensor_of(context, data[values_at]);
    auto shape = sizes_of(tree, data[values_at + 1], context.limits);
    const bool flagged = data.size() <= values_at + 2 || boolean_of(tree, data[values_at + 2]) ||
                         tree.as<Object::None>(data[values_at + 2]);
    if (!values || !shape || !flagged) return std::nullopt;
    Tensor tensor;
    tensor.layout = Layout::kSparse;
    tensor.dtype = context.artifact.tensors[*values].dtype;
    tensor.device = context.artifact.tensors[*values].device;
    tensor.requires_grad = context.artifact.tensors[*values].requires_grad;
    tensor.shape = std::move(*shape);
    // Compressed layouts name each element once. torch before 2.1 does not say it of COO.
    const bool coalesced =
        data.size() > values_at + 2 && boolean_of(tree, data[values_at + 2]).value_or(false);
    tensor.uncoalesced = may_be_coalesced && !coalesced;
    tensor.parts.emplace_back(layout.first, data[0]);
    if (!layout.second.empty()) tensor.parts.emplace_back(layout.second, data[1]);
    tensor.parts.emplace_back(".values", data[values_at]);
    return add(context, std::move(tensor));
  }
  return std::nullopt;
}

/// (dtype, size, stride, requires_grad)
std::optional<TensorId> rebuild_meta(const RebuildContext& context, Arguments arguments) {
  const ObjectTree& tree = context.artifact.objects;
  const std::optional<DType> dtype = dtype_of(tree, arguments[0]);
  auto shape = sizes_of(tree, arguments[1], context.limits);
  auto strides = sizes_of(tree, arguments[2], context.limits);
  const std::optional<bool> gradient = boolean_of(tree, arguments[3]);
  if (!dtype || !shape || !strides || !gradient) return std::nullopt;
  Tensor tensor;
  tensor.layout = Layout::kMeta;
  tensor.device = "meta";
  tensor.dtype = *dtype;
  tensor.shape = std::move(*shape);
  tensor.strides = std::move(*strides);
  tensor.requires_grad = *gradient;
  return add(context, std::move(tensor));
}

/// (buffer, sizes, strides, storage_offsets): a batch of tensors of different sizes in one buffer.
/// Of its shape only the first size is in the pickle itself.
std::optional<TensorId> rebuild_nested(const RebuildContext& context, Arguments arguments) {
  const std::optional<TensorId> buffer = tensor_of(context, arguments[0]);
  const std::optional<TensorId> sizes = tensor_of(context, arguments[1]);
  if (!buffer || !sizes) return std::nullopt;
  Tensor tensor;
  tensor.layout = Layout::kNested;
  tensor.dtype = context.artifact.tensors[*buffer].dtype;
  tensor.device = context.artifact.tensors[*buffer].device;
  tensor.requires_grad = context.artifact.tensors[*buffer].requires_grad;
  const std::vector<std::int64_t>& batch = context.artifact.tensors[*sizes].shape;
  if (!batch.empty()) tensor.shape.push_back(batch[0]);
  tensor.parts = {{".buffer", arguments[0]},
                  {".sizes", arguments[1]},
                  {".strides", arguments[2]},
                  {".storage_offsets", arguments[3]}};
  return add(context, std::move(tensor));
}

/// (class, dtype, size, stride, storage_offset, layout, device, requires_grad): the shell of a
/// subclass such as DTensor; the tensors inside come as its attributes.
std::optional<TensorId> rebuild_wrapper(const RebuildContext& context, Arguments arguments) {
  const ObjectTree& tree = context.artifact.objects;
  const std::optional<DType> dtype = dtype_of(tree, arguments[1]);
  auto shape = sizes_of(tree, arguments[2], context.limits);
  auto strides = sizes_of(tree, arguments[3], context.limits);
  const std::optional<std::int64_t> offset = tree.integer(arguments[4]);
  const std::optional<std::string> device = device_of(tree, arguments[6]);
  const std::optional<bool> gradient = boolean_of(tree, arguments[7]);
  if (!dtype || !shape || !strides || !offset || !device || !gradient) return std::nullopt;
  Tensor tensor;
  tensor.layout = Layout::kWrapper;
  tensor.dtype = *dtype;
  tensor.shape = std::move(*shape);
  tensor.strides = std::move(*strides);
  tensor.storage_offset = *offset;
  tensor.device = *device;
  tensor.requires_grad = *gradient;
  return add(context, std::move(tensor));
}

/// (tensor, dtype, device, requires_grad): the tensor was moved to the CPU to be saved.
std::optional<TensorId> rebuild_from_cpu(const RebuildContext& context, Arguments arguments) {
  const ObjectTree& tree = context.artifact.objects;
  const std::optional<TensorId> id = tensor_of(context, arguments[0]);
  const std::optional<std::string> device = device_of(tree, arguments[2]);
  const std::optional<bool> gradient = boolean_of(tree, arguments[3]);
  if (!id || !device || !gradient) return std::nullopt;
  context.artifact.tensors[*id].device = *device;
  context.artifact.tensors[*id].requires_grad = *gradient;
  return id;
}

/// (array, dtype, device, requires_grad): the bytes are those of a numpy array in the pickle, whose
/// state is (version, shape, dtype, fortran, bytes). They are in no storage.
std::optional<TensorId> rebuild_from_numpy(const RebuildContext& context, Arguments arguments) {
  const ObjectTree& tree = context.artifact.objects;
  const Object::Call* array = tree.as<Object::Call>(arguments[0]);
  const std::optional<DType> dtype = dtype_of(tree, arguments[1]);
  const std::optional<std::string> device = device_of(tree, arguments[2]);
  const std::optional<bool> gradient = boolean_of(tree, arguments[3]);
  if (!array || !dtype || !device || !gradient) return std::nullopt;
  const Arguments state = arguments_of(tree, array->state);
  if (state.size() < 2) return std::nullopt;
  auto shape = sizes_of(tree, state[1], context.limits);
  if (!shape) return std::nullopt;
  Tensor tensor;
  tensor.dtype = *dtype;
  tensor.shape = std::move(*shape);
  tensor.strides.assign(tensor.shape.size(), 1);
  for (std::size_t i = tensor.shape.size(); i-- > 1;) {
    if (__builtin_mul_overflow(tensor.strides[i], tensor.shape[i], &tensor.strides[i - 1])) {
      return std::nullopt;
    }
  }
  tensor.device = *device;
  tensor.requires_grad = *gradient;
  return add(context, std::move(tensor));
}

struct Row {
  std::string_view name;
  Rebuild rebuild;
  std::size_t least;  ///< how many arguments the function takes
  std::size_t most;
};
// In the order of how often they are met.
constexpr Row kRows[] = {
    {"torch._utils._rebuild_tensor_v2", rebuild_v2, 6, 7},
    {"torch._utils._rebuild_parameter", rebuild_parameter, 3, 3},
    {"torch._utils._rebuild_tensor_v3", rebuild_v3, 7, 8},
    {"torch._utils._rebuild_tensor", rebuild_v1, 4, 4},
    {"torch._utils._rebuild_parameter_with_state", rebuild_parameter, 4, 4},
    {"torch._utils._rebuild_qtensor", rebuild_quantized, 7, 7},
    {"torch._utils._rebuild_sparse_tensor", rebuild_sparse, 2, 2},
    {"torch._utils._rebuild_sparse_csr_tensor", rebuild_sparse, 2, 2},
    {"torch._utils._rebuild_meta_tensor_no_storage", rebuild_meta, 4, 4},
    {"torch._utils._rebuild_nested_tensor", rebuild_nested, 4, 4},
    {"torch._utils._rebuild_wrapper_subclass", rebuild_wrapper, 8, 8},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor", rebuild_from_cpu, 4, 4},
    {"torch._utils._rebuild_device_tensor_from_numpy", rebuild_from_numpy, 4, 4},
    {"torch._utils._rebuild_xla_tensor", rebuild_from_numpy, 4, 4},
};

const Row* row_of(std::string_view qualified_name) {
  for (const Row& row : kRows) {
    if (row.name == qualified_name) return &row;
  }
  return nullptr;
}

std::optional<TensorId> rebuild(const Row* row, const RebuildContext& context, Arguments arguments) {
  if (row == nullptr || arguments.size() < row->least || arguments.size() > row->most) {
    return std::nullopt;
  }
  return row->rebuild(context, arguments);
}

bool is_from_type(std::string_view qualified_name) {
  return qualified_name == "torch._tensor._rebuild_from_type_v2" ||
         qualified_name == "torch._tensor._rebuild_from_type";
}

}  // namespace

bool is_rebuild_function(std::string_view qualified_name) {
  return is_from_type(qualified_name) || row_of(qualified_name) != nullptr;
}

bool is_unknown_rebuild_function(std::string_view qualified_name) {
  const bool named_so = qualified_name.starts_with("torch._utils._rebuild_") ||
                        qualified_name.starts_with("torch._tensor._rebuild_");
  return named_so && !is_rebuild_function(qualified_name);
}

std::optional<TensorId> rebuild_tensor(const RebuildContext& context,
                                       std::string_view qualified_name,
                                       std::span<const ObjectId> arguments) {
  if (!is_from_type(qualified_name)) {
    return rebuild(row_of(qualified_name), context, arguments);
  }
  // (function, type, arguments, state): the function is one of the others, called by torch itself.
  if (arguments.size() != 4) return std::nullopt;
  const ObjectTree& tree = context.artifact.objects;
  if (!tree.as<Object::Global>(arguments[1])) return std::nullopt;
  const std::optional<TensorId> id = rebuild(row_of(tree.qualified_name(arguments[0])), context,
                                             arguments_of(tree, arguments[2]));
  if (id) add_attributes(tree, arguments[3], context.artifact.tensors[*id]);
  return id;
}

}  // namespace torchvet
