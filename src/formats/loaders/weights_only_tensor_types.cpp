// The classes of tensors of before torch 0.4, torch.FloatTensor and its like, and torch.Tensor: called with
// sizes, or with one thing to take the elements from.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "formats/loaders/weights_only.h"

namespace torchvet {
namespace {

/// Elements of one that is made, beyond which it is not followed whether there is the memory.
constexpr std::int64_t kMostElements = 1 << 20;

/// What is no number and no sequence either, so that no number can be made of it.
bool is_plain_object(LoadedKind kind) {
  switch (kind) {
    case LoadedKind::kNone:
    case LoadedKind::kText:
    case LoadedKind::kSet:
    case LoadedKind::kDict:
    case LoadedKind::kOrderedDict:
    case LoadedKind::kCounter:
    case LoadedKind::kDevice:
    case LoadedKind::kLayout:
    case LoadedKind::kGlobal:
      return true;
    default:
      return false;
  }
}

/// Whether torch makes an element of the number. One of uint8 may be negative: it wraps around.
bool fits(std::int64_t number, DType dtype) {
  const auto within = [&](std::int64_t least, std::int64_t most) {
    return number >= least && number <= most;
  };
  switch (dtype) {
    case DType::kUint8:
      return within(-UINT8_MAX, UINT8_MAX);
    case DType::kInt8:
      return within(INT8_MIN, INT8_MAX);
    case DType::kInt16:
      return within(INT16_MIN, INT16_MAX);
    case DType::kInt32:
      return within(INT32_MIN, INT32_MAX);
    default:
      return true;
  }
}

}  // namespace

/// Those of CUDA make nothing where the others of what is predicted hold, too: on a machine without a
/// GPU.
Loaded RestrictedUnpickler::call_tensor_type(const AllowedName& name, Arguments arguments) {
  constexpr std::string_view kTorch = "torch.", kSparse = "sparse.", kEnd = "Tensor";
  std::string_view type = name.name.substr(kTorch.size());
  if (type.starts_with("cuda.")) {
    fail("TypeError",
         fmt::format("type {} not available. Torch not compiled with CUDA enabled.", name.name),
         LoadProblem::kDevice);
    return {};
  }
  TensorType made;
  made.is_any = type == kEnd;
  made.is_sparse = type.starts_with(kSparse);
  if (made.is_sparse) type.remove_prefix(kSparse.size());
  type.remove_suffix(kEnd.size());
  const auto dtype = dtype_from_storage_class(std::string(type) + "Storage");
  made.dtype = made.is_any ? DType::kFloat32 : dtype.value_or(DType::kUnknown);
  if (arguments.empty()) return made_of(made, {0});
  const LoadedKind first = values_[arguments.front()].kind;
  if (first == LoadedKind::kInt || first == LoadedKind::kBigInt) {
    return tensor_of_sizes(made, arguments);
  }
  if (first == LoadedKind::kForeign || made.dtype == DType::kUnknown) {
    leave(form_of(name.name));
    return {};
  }
  if (arguments.size() > 1) {
    fail("TypeError", "new() received an invalid combination of arguments - got (");
    return {};
  }
  return made.is_sparse ? sparse_of(name, made, arguments.front())
                        : tensor_of_data(name, made, arguments.front());
}

Loaded RestrictedUnpickler::made_of(const TensorType& type, std::vector<std::int64_t> size) {
  Loaded foreign;
  foreign.kind = LoadedKind::kForeign;
  return type.is_sparse || type.dtype == DType::kUnknown ? foreign
                                                         : tensor(type.dtype, std::move(size));
}

Loaded RestrictedUnpickler::tensor_of_sizes(const TensorType& type, Arguments sizes) {
  std::vector<std::int64_t> numbers;
  for (const LoadedId id : sizes) {
    const Loaded& size = values_[id];
    if (size.kind == LoadedKind::kInt) {
      numbers.push_back(size.number);
      continue;
    }
    if (size.kind == LoadedKind::kForeign || size.kind == LoadedKind::kTensor ||
        size.kind == LoadedKind::kParameter) {
      leave("a tensor of sizes is made of what is no number");
      return {};
    }
    fail("TypeError",
         fmt::format("new(): argument 'size' failed to unpack the object at pos {} with error \"{}",
                     numbers.size() + 1,
                     size.kind == LoadedKind::kBigInt ? "Overflow when unpacking long"
                                                      : "type must be tuple of ints"));
    return {};
  }
  return tensor_of_shape(type, std::move(numbers));
}

Loaded RestrictedUnpickler::tensor_of_shape(const TensorType& type,
                                            std::vector<std::int64_t> numbers) {
  const auto negative =
      std::find_if(numbers.begin(), numbers.end(), [](std::int64_t n) { return n < 0; });
  if (negative != numbers.end() && !type.is_sparse) {
    fail("RuntimeError", fmt::format("Trying to create tensor with negative dimension {}: [{}]",
                                     *negative, fmt::join(numbers, ", ")));
    return {};
  }
  std::int64_t elements = 1;
  for (const std::int64_t number : numbers) {
    if (number < 0 || number > kMostElements || elements > kMostElements) {
      leave("a tensor is made of sizes that are not followed here");
      return {};
    }
    elements *= std::max<std::int64_t>(number, 1);
  }
  if (elements > kMostElements || numbers.size() > limits_.tensor_dimensions) {
    leave("a tensor is made of sizes that are not followed here");
    return {};
  }
  return made_of(type, std::move(numbers));
}

/// Of one argument that is no number: sizes, or what no form takes.
Loaded RestrictedUnpickler::sparse_of(const AllowedName& name, const TensorType& type,
                                      LoadedId id) {
  const Loaded& from = values_[id];
  if (from.kind == LoadedKind::kSize) {
    if (auto size = whole_numbers(id)) return tensor_of_shape(type, std::move(*size));
  }
  const bool is_class =
      from.kind == LoadedKind::kGlobal && from.allowed->kind == AllowedKind::kTensorType;
  if (is_sequence(from.kind) || is_class) {
    leave(form_of(name.name));
  } else {
    fail("TypeError", "new() received an invalid combination of arguments - got (");
  }
  return {};
}

Loaded RestrictedUnpickler::tensor_of_data(const AllowedName& name, const TensorType& type,
                                           LoadedId id) {
  const Loaded& from = values_[id];
  switch (from.kind) {
    case LoadedKind::kText:
    case LoadedKind::kBytes:
      fail("TypeError", fmt::format("new(): invalid data type '{}'", type_name(from)));
      return {};
    case LoadedKind::kSize:
      if (auto size = whole_numbers(id)) return tensor_of_shape(type, std::move(*size));
      break;
    case LoadedKind::kList:
    case LoadedKind::kTuple:
      return tensor_of_elements(name, type, id);
    case LoadedKind::kTensor:
    case LoadedKind::kParameter: {
      const LoadedTensor other = tensors_[static_cast<std::size_t>(from.number)];
      if (other.is_meta || other.dtype == DType::kUnknown) break;
      if (type.is_any || other.dtype == type.dtype) return tensor(other.dtype, other.size);
      fail("TypeError", "expected TensorOptions(dtype=");
      return {};
    }
    case LoadedKind::kStorage: {
      const LoadedStorage& storage = loaded_[static_cast<std::size_t>(from.number)];
      if (storage.is_meta || storage.dtype == DType::kUnknown) break;
      if (storage.dtype == type.dtype) {
        return tensor(type.dtype, {static_cast<std::int64_t>(storage.bytes / item_size(type.dtype))});
      }
      fail("RuntimeError", "Expected a Storage of type ");
      return {};
    }
    case LoadedKind::kGlobal:
      if (from.allowed->kind == AllowedKind::kTensorType || from.allowed->name == "torch.Tensor") {
        fail("RuntimeError", fmt::format("not a storage '{}'", type_name(from)));
        return {};
      }
      break;
    default:
      break;
  }
  if (is_plain_object(from.kind) || from.kind == LoadedKind::kBool ||
      from.kind == LoadedKind::kFloat || from.kind == LoadedKind::kComplex) {
    fail("TypeError", fmt::format("new(): data must be a sequence (got {})", short_type_name(from)));
  } else {
    leave(form_of(name.name));
  }
  return {};
}

/// Of numbers in one row. What is nested is not followed.
Loaded RestrictedUnpickler::tensor_of_elements(const AllowedName& name, const TensorType& type,
                                               LoadedId id) {
  const std::vector<LoadedId>& items = values_[id].items;
  if (!may_read(items.size())) return {};
  if (!items.empty() && values_[items.front()].kind == LoadedKind::kText) {
    fail("ValueError", "too many dimensions 'str'");
    return {};
  }
  const bool floats = is_floating_point(type.dtype);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Loaded& item = values_[items[i]];
    if (item.kind == LoadedKind::kInt && !fits(item.number, type.dtype)) {
      fail("RuntimeError", fmt::format("value cannot be converted to type {} without overflow",
                                       name_of(type.dtype)));
      return {};
    }
    if (item.kind == LoadedKind::kInt || item.kind == LoadedKind::kBool ||
        (item.kind == LoadedKind::kFloat && floats)) {
      continue;
    }
    const bool in_row = i > 0 && is_sequence(item.kind);
    if (!is_plain_object(item.kind) && !in_row) {
      leave(form_of(name.name));
    } else if (floats) {
      fail("TypeError", fmt::format("must be real number, not {}", short_type_name(item)));
    } else {
      fail("TypeError", fmt::format("'{}' object cannot be interpreted as an integer",
                                    short_type_name(item)));
    }
    return {};
  }
  return tensor(type.dtype, {static_cast<std::int64_t>(items.size())});
}

}  // namespace torchvet
