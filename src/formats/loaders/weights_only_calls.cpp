// What the functions that torch allows do with their arguments. Each has the forms that torch and
// Python write, and the errors that a damaged pickle brings; every other form is undecided.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/loaders/weights_only.h"
#include "formats/pickle/arguments.h"

namespace torchvet {
namespace {

/// Whether the code points of the text are all below 256. The text is known to be UTF-8.
bool is_latin1(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<std::uint8_t>(c) < 0xc4; });
}

}  // namespace

std::string form_of(std::string_view function) {
  return fmt::format("{} is called in a form that is not followed here", function);
}

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
  if (last == "_rebuild_nested_tensor") return rebuild_nested(arguments);
  if (last == "_rebuild_meta_tensor_no_storage") return rebuild_meta(arguments);
  if (last == "_rebuild_qtensor") return rebuild_quantized(arguments);
  struct Signature {
    std::string_view function;
    std::size_t parameters;
  };
  constexpr Signature kOthers[] = {{"_rebuild_wrapper_subclass", 8},
                                   {"_rebuild_device_tensor_from_numpy", 4},
                                   {"_rebuild_device_tensor_from_cpu_tensor", 4}};
  // They ask what only the place where the file is loaded has: devices, classes.
  for (const auto& [function, parameters] : kOthers) {
    if (last != function) continue;
    if (fits_signature(function, arguments.size(), parameters, parameters)) {
      leave(form_of(name.name), LoadProblem::kOutside);
    }
    return {};
  }
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
  if (name.kind == AllowedKind::kTensorType || name.name == "torch.Tensor") {
    return call_tensor_type(name, arguments);
  }
  if (name.name == "torch.nn.parameter.Parameter") return make_parameter(arguments);
  const bool of_nothing =
      arguments.empty() || (arguments.size() == 1 && values_[arguments[0]].items.empty() &&
                            (values_[arguments[0]].kind == LoadedKind::kTuple ||
                             values_[arguments[0]].kind == LoadedKind::kList));
  if (name.name == "torch.storage.TypedStorage" && of_nothing) {
    Loaded storage;
    storage.kind = LoadedKind::kForeign;
    return storage;
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
  if (arguments.size() > 1) {
    fail("TypeError", fmt::format("set expected at most 1 argument, got {}", arguments.size()));
    return {};
  }
  if (is_no_iterable(from)) {
    fail("TypeError", fmt::format("'{}' object is not iterable", short_type_name(from)));
    return {};
  }
  if (from.kind == LoadedKind::kText || from.kind == LoadedKind::kBytes) return made;
  if (!is_sequence(from.kind)) {
    leave(form_of("set"));
    return {};
  }
  if (!may_read(from.items.size())) return {};
  for (const LoadedId id : from.items) {
    if (!can_be_key(id)) return {};
  }
  return made;
}

/// Of one tensor, which it then asks for its gradient.
Loaded RestrictedUnpickler::make_parameter(Arguments arguments) {
  Loaded made = tensor(DType::kFloat32, {0});
  made.kind = LoadedKind::kParameter;
  if (arguments.empty()) return made;
  const Loaded& data = values_[arguments.front()];
  if (arguments.size() == 1 && data.kind == LoadedKind::kNone) return made;
  const bool has_attributes = data.kind == LoadedKind::kForeign ||
                              data.kind == LoadedKind::kTensor ||
                              data.kind == LoadedKind::kParameter ||
                              data.kind == LoadedKind::kStorage || data.kind == LoadedKind::kGlobal;
  if (arguments.size() == 1 && !has_attributes) {
    fail("AttributeError",
         fmt::format("'{}' object has no attribute 'detach'", short_type_name(data)));
  } else {
    leave(form_of("torch.nn.parameter.Parameter"));
  }
  return {};
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
  const bool zeros = array && arguments.size() == 1 && values_[arguments[0]].kind == LoadedKind::kInt;
  leave(form_of(array ? "bytearray" : "_codecs.encode"),
        zeros ? LoadProblem::kOutside : LoadProblem::kOther);
  return {};
}

Loaded RestrictedUnpickler::make_size(Arguments arguments) {
  Loaded made;
  made.kind = LoadedKind::kSize;
  if (arguments.empty()) return made;
  if (arguments.size() > 1) {
    fail("TypeError", fmt::format("tuple expected at most 1 argument, got {}", arguments.size()));
    return {};
  }
  if (whole_numbers(arguments[0])) {
    made.items = values_[arguments[0]].items;
    return made;
  }
  const Loaded& from = values_[arguments[0]];
  if (is_no_iterable(from)) {
    fail("TypeError", fmt::format("'{}' object is not iterable", short_type_name(from)));
    return {};
  }
  if (from.kind == LoadedKind::kText) {
    if (!from.text.empty()) {
      fail("TypeError", "torch.Size() takes an iterable of 'int' (item 0 is 'str')");
    }
    return made;
  }
  const bool row = from.kind == LoadedKind::kList || from.kind == LoadedKind::kTuple;
  const auto other = std::find_if(from.items.begin(), from.items.end(), [&](LoadedId id) {
    return values_[id].kind != LoadedKind::kInt;
  });
  const bool known = row && may_read(from.items.size()) && other != from.items.end();
  if (known && (is_no_iterable(values_[*other]) || values_[*other].kind == LoadedKind::kText) &&
      values_[*other].kind != LoadedKind::kBool && values_[*other].kind != LoadedKind::kBigInt) {
    fail("TypeError", fmt::format("torch.Size() takes an iterable of 'int' (item {} is '{}')",
                                  other - from.items.begin(), short_type_name(values_[*other])));
    return {};
  }
  leave(form_of("torch.Size"));
  return {};
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
  constexpr std::string_view kTorch = "torch.";
  if (!fits_signature("_get_layout", arguments.size(), 1, 1)) return {};
  const Loaded& name = values_[arguments[0]];
  if (name.kind != LoadedKind::kText) {
    leave(form_of("torch.serialization._get_layout"));
    return {};
  }
  if (!name.text.starts_with(kTorch) || !is_layout_name(name.text.substr(kTorch.size()))) {
    fail("KeyError", "");
    return {};
  }
  Loaded made;
  made.kind = LoadedKind::kLayout;
  made.text = name.text;
  return made;
}

}  // namespace torchvet
