// The tensors of LibTorch's unpickler. A storage is as long as the pickle says, whatever its record
// holds; a tensor that reaches past that is refused.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/checked.h"
#include "formats/loaders/libtorch_unpickler.h"
#include "model/device.h"

namespace torchvet {
namespace {

bool is_complex(DType dtype) {
  return dtype == DType::kComplex32 || dtype == DType::kComplex64 || dtype == DType::kComplex128;
}

bool is_quantized(DType dtype) {
  return dtype == DType::kQint8 || dtype == DType::kQuint8 || dtype == DType::kQint32;
}

/// What LibTorch says of a tensor that makes no sense in a storage of `bytes`; empty when it does.
/// Where two things are wrong, what it says of either.
std::string refusal_of_view(std::int64_t offset, const std::vector<std::int64_t>& size,
                            const std::vector<std::int64_t>& stride, std::uint64_t item,
                            std::uint64_t bytes) {
  const auto is_negative = [](std::int64_t number) { return number < 0; };
  const auto bad_size = std::find_if(size.begin(), size.end(), is_negative);
  const auto bad_stride = std::find_if(stride.begin(), stride.end(), is_negative);
  const bool odd_size = bad_size != size.end(), odd_stride = bad_stride != stride.end();
  const bool unlike = size.size() != stride.size();
  if (offset < 0) {
    return unlike ? "Tensor: " : fmt::format("Tensor: invalid storage offset {}", offset);
  }
  if (unlike) {
    return odd_size || odd_stride
               ? "Tensor: "
               : fmt::format("Tensor: size and stride must have the same length, got {} and {}",
                             size.size(), stride.size());
  }
  if (odd_size && odd_stride) return "Tensor: negative ";
  if (odd_size) {
    return fmt::format("Tensor: negative size {} at dim {}", *bad_size, bad_size - size.begin());
  }
  if (odd_stride) {
    return fmt::format("Tensor: negative stride {} at dim {}", *bad_stride,
                       bad_stride - stride.begin());
  }
  const std::uint64_t begin = static_cast<std::uint64_t>(offset);
  if (begin > bytes / item) {
    return fmt::format("Tensor: storage offset {} is out of bounds for storage of size {} bytes "
                       "(itemsize {})",
                       offset, bytes, item);
  }
  if (std::find(size.begin(), size.end(), 0) != size.end()) return {};
  std::optional<std::uint64_t> needed = checked_add(begin, std::uint64_t{1});
  for (std::size_t i = 0; i < size.size() && needed; ++i) {
    const auto reach = checked_mul(static_cast<std::uint64_t>(size[i] - 1),
                                   static_cast<std::uint64_t>(stride[i]));
    needed = reach ? checked_add(*needed, *reach) : std::nullopt;
  }
  if (needed) needed = checked_mul(*needed, item);
  if (!needed || *needed > INT64_MAX) return "Storage size calculation overflowed with sizes=";
  if (*needed <= bytes) return {};
  return fmt::format("Tensor: sizes {}, strides {}, storage offset {} and itemsize {} require a "
                     "storage of at least {} bytes, but storage only has {} bytes",
                     fmt::join(size, " "), fmt::join(stride, " "), offset, item, *needed, bytes);
}

/// The number behind the colon of a device, as c10::Device takes it; nothing where it takes none.
enum class DeviceIndex : std::uint8_t { kNone, kNumber, kWrong, kUnknown };
DeviceIndex index_of_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return DeviceIndex::kNone;
  const std::string_view index = text.substr(colon + 1);
  const bool digits =
      std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (index.empty() || !digits) return DeviceIndex::kWrong;
  const bool plain = index.size() == 1 || (index.size() == 2 && index.front() != '0');
  return plain ? DeviceIndex::kNumber : DeviceIndex::kUnknown;
}

}  // namespace

void LibtorchUnpickler::persistent() {
  if (stack_.empty()) return fail("Parsing error: stack_ is empty");
  const Id tuple = pop();
  const Id tag = element(tuple, 0);
  if (!expect(tag, Kind::kString)) return;
  if (values_[tag].text != "storage") return fail("unknown PERSID key ");
  const auto type = integer(element(tuple, 1));
  const Id key = element(tuple, 2);
  if (!expect(key, Kind::kString)) return;
  const auto device = device_type(element(tuple, 3));
  const auto count = integer(element(tuple, 4));
  if (end_) return;
  const auto dtype = dtype_from_scalar_type(*type);
  if (!dtype) return leave("a storage has an element type that is not followed");
  if (*count < 0) return fail("Numel can not be negative");
  if (*count > 0) end_ = reading_.refusal_of_record(values_[key].text);
  if (end_) return;
  const auto bytes = checked_mul(static_cast<std::uint64_t>(*count), item_size(*dtype));
  if (!bytes || *bytes > INT64_MAX) return leave("the size of a storage overflows");
  move_to(*device, values_[element(tuple, 3)].text);
  if (end_) return;
  Value tensor = of(Kind::kTensor);
  tensor.dtype = *dtype;
  tensor.number = static_cast<std::int64_t>(*bytes);
  push(std::move(tensor));
}

/// How the load ends where a storage lies, on a machine that has a CPU and nothing else.
void LibtorchUnpickler::move_to(std::string_view type, std::string_view device) {
  struct Backend {
    std::string_view type, name;
  };
  constexpr std::array<Backend, 5> kMissing = {{{"cuda", "CUDA"},
                                                {"xpu", "XPU"},
                                                {"mps", "MPS"},
                                                {"mtia", "MTIA"},
                                                {"privateuseone", "PrivateUse1"}}};
  constexpr std::array<std::string_view, 8> kRefused = {"xla", "vulkan", "hip", "ipu",
                                                        "lazy", "fpga", "ve", "maia"};
  if (type == "cpu" || type == "meta") return;
  if (std::find(kRefused.begin(), kRefused.end(), type) != kRefused.end()) {
    return fail("supported devices include CPU, CUDA, HPU and privateuseone however got ",
                LoadProblem::kDevice);
  }
  const auto backend = std::find_if(kMissing.begin(), kMissing.end(),
                                    [&](const Backend& one) { return one.type == type; });
  const bool has_index = type.size() < device.size();
  if (has_index && backend != kMissing.end()) {
    end_ = LoadOutcome::fails(
        "c10::NotImplementedError",
        fmt::format("Could not run 'aten::empty_strided' with arguments from the '{}' backend",
                    backend->name),
        LoadProblem::kDevice);
    return;
  }
  if (!has_index && (type == "cuda" || type == "xpu" || type == "mps" || type == "hpu")) {
    return fail(fmt::format("PyTorch is not linked with support for {} devices", type),
                LoadProblem::kDevice);
  }
  leave(fmt::format("a storage lies on {}", type));
}

std::optional<std::string_view> LibtorchUnpickler::device_type(Id id) {
  if (!expect(id, Kind::kString)) return std::nullopt;
  const std::string_view text = values_[id].text;
  const std::string_view type = text.substr(0, text.find(':'));
  const bool is_word = !type.empty() && std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  const DeviceIndex index = index_of_device(text);
  if (text.empty()) {
    fail("Device string must not be empty", LoadProblem::kContainer);
  } else if (!is_word || index == DeviceIndex::kUnknown) {
    leave("the name of a device is not followed");
  } else if (index == DeviceIndex::kWrong) {
    fail("Invalid device string: ", LoadProblem::kContainer);
  } else if (!is_device_type(type)) {
    fail(fmt::format("device type at start of device string: {}", type), LoadProblem::kContainer);
  } else {
    return type;
  }
  return std::nullopt;
}

void LibtorchUnpickler::rebuild_tensor(bool quantized) {
  const Id tuple = pop();
  const Id storage = element(tuple, 0);
  if (!expect(storage, Kind::kTensor)) return;
  const auto offset = integer(element(tuple, 1));
  const auto size = integers(element(tuple, 2));
  const auto stride = integers(element(tuple, 3));
  if (end_) return;
  const DType dtype = values_[storage].dtype;
  if (quantized && !check_quantizer(element(tuple, 4), dtype)) return;
  const Id flag = element(tuple, quantized ? 5 : 4);
  if (!expect(flag, Kind::kBool)) return;
  const std::string refusal = refusal_of_view(*offset, *size, *stride, item_size(dtype),
                                              static_cast<std::uint64_t>(values_[storage].number));
  if (!refusal.empty()) return fail(refusal, LoadProblem::kOther);
  if (!may_require_gradients(flag, dtype)) return;
  const bool has_metadata = !quantized && values_[tuple].items.size() == 7;
  if (has_metadata && !set_metadata(values_[tuple].items[6], dtype)) return;
  Value tensor = of(Kind::kTensor);
  tensor.dtype = dtype;
  tensor.number = values_[storage].number;
  push(std::move(tensor));
}

bool LibtorchUnpickler::may_require_gradients(Id flag, DType dtype) {
  if (values_[flag].number == 0 || is_floating_point(dtype) || is_complex(dtype)) return true;
  fail("Only Tensors of floating point and complex dtype can require gradients");
  return false;
}

/// One scale and one zero point for the whole tensor: `(torch.per_tensor_affine, 0.1, 2)`.
bool LibtorchUnpickler::check_quantizer(Id quantizer, DType dtype) {
  const auto scheme = integer(element(quantizer, 0));
  if (!scheme) return false;
  if (*scheme != 0 || !is_quantized(dtype)) {
    leave("how LibTorch makes such a quantized tensor is not followed");
    return false;
  }
  return expect(element(quantizer, 1), Kind::kDouble) && integer(element(quantizer, 2));
}

/// Whether it is the complex conjugate, or negated: of which only the first asks for a type.
bool LibtorchUnpickler::set_metadata(Id metadata, DType dtype) {
  if (!expect(metadata, Kind::kGenericDict)) return false;
  const std::vector<Id>& items = values_[metadata].items;
  if (!may_read(items.size())) return false;
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const Value &key = values_[items[i]], &value = values_[items[i + 1]];
    const bool known = key.kind == Kind::kString && value.kind == Kind::kBool &&
                       (key.text == "neg" || (key.text == "conj" && is_complex(dtype)));
    if (known) continue;
    leave("what is said of a tensor beside its numbers is not followed");
    return false;
  }
  return true;
}

void LibtorchUnpickler::rebuild_from_type(std::uint64_t index) {
  const Id tuple = pop();
  const Id arguments = element(tuple, 2);
  if (!expect(arguments, Kind::kTuple)) return;
  const Id state = element(tuple, 3);
  if (!expect(state, Kind::kGenericDict)) return;
  if (index + 1 >= functions_.size() || functions_[index + 1].function == Function::kRebuildFromType) {
    return leave("what rebuilds a tensor is not followed");
  }
  stack_.push_back(arguments);
  run_function(index + 1);
}

void LibtorchUnpickler::rebuild_parameter() {
  const Id tuple = pop();
  const Id tensor = element(tuple, 0);
  if (!expect(tensor, Kind::kTensor)) return;
  const Id flag = element(tuple, 1);
  if (!expect(flag, Kind::kBool)) return;
  if (may_require_gradients(flag, values_[tensor].dtype)) stack_.push_back(tensor);
}

}  // namespace torchvet
