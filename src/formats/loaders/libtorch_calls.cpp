// What LibTorch's unpickler asks of values, the names that it knows, and what those do that make no
// tensor.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "formats/loaders/libtorch_unpickler.h"

namespace torchvet {
namespace {

/// A type as the pickles of LibTorch write it: "List[int]", "Dict[str, Optional[Tensor]]". Takes
/// it from the front of `text`, and gives its first word; nothing when it is none of the sorts
/// that are followed here.
std::optional<std::string_view> take_type(std::string_view& text, int depth = 0) {
  constexpr int kDeepest = 8;
  constexpr std::array<std::string_view, 7> kPlain = {"int",    "float", "bool",   "str",
                                                      "Tensor", "Any",   "complex"};
  const std::size_t end = std::min(text.find_first_of("[], "), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  if (std::find(kPlain.begin(), kPlain.end(), word) != kPlain.end()) return word;
  const bool is_dict = word == "Dict", is_tuple = word == "Tuple";
  const bool is_container = is_dict || is_tuple || word == "List" || word == "Optional";
  if (!is_container || depth == kDeepest || !text.starts_with('[')) return std::nullopt;
  text.remove_prefix(1);
  const auto first = take_type(text, depth + 1);
  if (!first || (is_dict && *first != "str" && *first != "int")) return std::nullopt;
  std::size_t more = 0;
  for (; text.starts_with(", "); ++more) {
    text.remove_prefix(2);
    if (!take_type(text, depth + 1)) return std::nullopt;
  }
  if (!text.starts_with(']') || (!is_tuple && more != (is_dict ? 1u : 0u))) return std::nullopt;
  text.remove_prefix(1);
  return word;
}

/// The number of an element type in c10::ScalarType.
std::int64_t scalar_type_of(DType dtype) {
  constexpr std::int64_t kMost = 127;
  std::int64_t number = 0;
  while (number < kMost && dtype_from_scalar_type(number) != dtype) ++number;
  return number;
}

/// What is said of a name; without the name where that is no plain text, which would not be printed
/// as it is.
std::string about_name(std::string_view before, std::string_view name, std::string_view after = "") {
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return plain ? fmt::format("{}{}{}", before, name, after) : std::string(before);
}

}  // namespace

// ---- values ----------------------------------------------------------------------------------

std::string_view LibtorchUnpickler::name_of(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "Bool";
    case Kind::kInt:
      return "Int";
    case Kind::kDouble:
      return "Double";
    case Kind::kComplexDouble:
      return "ComplexDouble";
    case Kind::kString:
      return "String";
    case Kind::kTuple:
      return "Tuple";
    case Kind::kGenericList:
      return "GenericList";
    case Kind::kGenericDict:
      return "GenericDict";
    case Kind::kTensor:
      return "Tensor";
    case Kind::kDevice:
      return "Device";
    case Kind::kObject:
      return "Object";
    case Kind::kEnum:
      return "Enum";
  }
  return "None";
}

bool LibtorchUnpickler::expect(Id id, Kind kind) {
  if (end_) return false;
  const Kind is = values_[id].kind;
  if (is == kind) return true;
  if (kind == Kind::kInt) {
    fail("expected int");
  } else if (kind == Kind::kBool) {
    fail("expected bool");
  } else if (kind == Kind::kDouble) {
    fail("expected double");
  } else {
    fail(fmt::format("Expected {} but got {}", name_of(kind), name_of(is)));
  }
  return false;
}

std::optional<std::int64_t> LibtorchUnpickler::integer(Id id) {
  if (!expect(id, Kind::kInt)) return std::nullopt;
  return values_[id].number;
}

/// Item `index` of a value that must be a tuple.
LibtorchUnpickler::Id LibtorchUnpickler::element(Id tuple, std::size_t index) {
  if (!expect(tuple, Kind::kTuple)) return 0;
  const std::vector<Id>& items = values_[tuple].items;
  if (index < items.size()) return items[index];
  fail(fmt::format("TupleElements: invalid index Index = {}; Length = {}", index, items.size()));
  return 0;
}

std::optional<std::vector<std::int64_t>> LibtorchUnpickler::integers(Id tuple) {
  if (!expect(tuple, Kind::kTuple) || !may_read(values_[tuple].items.size())) return std::nullopt;
  std::vector<std::int64_t> numbers;
  for (const Id item : values_[tuple].items) {
    const auto number = integer(item);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

// ---- names -----------------------------------------------------------------------------------

void LibtorchUnpickler::push_function(Callee callee) {
  functions_.push_back(callee);
  push(of(Kind::kInt, static_cast<std::int64_t>(functions_.size() - 1)));
}

/// A class of storages and a way of quantizing are numbers, which nobody calls.
bool LibtorchUnpickler::push_enumeration(std::string_view name) {
  constexpr std::array<std::string_view, 5> kSchemes = {
      "per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric",
      "per_channel_affine_float_qparams"};
  if (const auto scheme = std::find(kSchemes.begin(), kSchemes.end(), name);
      scheme != kSchemes.end()) {
    push(of(Kind::kInt, scheme - kSchemes.begin()));
    return true;
  }
  if (!name.ends_with("Storage")) return false;
  if (const auto dtype = dtype_from_storage_class(name)) {
    push(of(Kind::kInt, scalar_type_of(*dtype)));
    return true;
  }
  if (name == "UntypedStorage") return false;
  leave(fmt::format("LibTorch may know torch.{}", name));
  return true;
}

void LibtorchUnpickler::push_global(std::string_view module, std::string_view name) {
  if (names_to_skip_ == 2) {
    names_to_skip_ = 1;
    if (module == "torch" && name == "Tensor") {
      names_to_skip_ = 0;
      return push_function({Function::kRebuildTensor});
    }
  } else if (names_to_skip_ == 1) {  // the class of the tensor, whatever it is
    names_to_skip_ = 0;
    return push(of(Kind::kInt, static_cast<std::int64_t>(functions_.size()) - 1));
  }
  if (const auto function = libtorch_function(module, name)) {
    if (*function == Function::kRebuildFromType) names_to_skip_ = 2;
    return push_function({*function});
  }
  if (module == "__main__") return fail(about_name("Unknown pickler class id", name));
  if (module == "torch.jit._pickle") return fail(about_name("Unknown pickler class id ", name));
  if (module == "torch") {
    if (!push_enumeration(name)) {
      fail(about_name("Unpickler found unknown torch global, 'torch.", name, "'"));
    }
    return;
  }
  if (reading_.classes != nullptr) return push_class(module, name);
  fail(about_name("Unpickler found unknown type ", fmt::format("{}.{}", module, name)));
}

void LibtorchUnpickler::push_class(std::string_view module, std::string_view name) {
  const std::string qualified = fmt::format("{}.{}", module, name);
  constexpr std::string_view kOfCpp = "__torch__.torch.classes.";
  constexpr std::array<std::string_view, 5> kOfTorch = {"quantized", "rnn", "xnnpack", "sparse",
                                                        "mkldnn"};
  if (module.starts_with(kOfCpp)) {
    const std::string_view library = module.substr(kOfCpp.size());
    if (std::find(kOfTorch.begin(), kOfTorch.end(), library) == kOfTorch.end()) {
      return leave(about_name("it needs the library that registers `", library, "`"));
    }
    return push_function({Function::kMakeObject});  // which reads its state itself
  }
  const auto known = reading_.classes->find(qualified);
  if (reading_.classes->empty()) {
    leave("the code of the program could not be read");
  } else if (known == reading_.classes->end()) {
    end_ = LoadOutcome::fails("torch::jit::ErrorReport",
                              about_name("Unknown type name '", qualified, "'"),
                              LoadProblem::kConstruct);
  } else if (known->second.base == "Enum") {
    push_function({Function::kMakeEnum});
  } else if (known->second.is_module || known->second.base.empty()) {
    push_function({Function::kMakeObject, &known->second, known->first});
  } else {
    leave("an object of a class that has none");
  }
}

// ---- what they do ----------------------------------------------------------------------------

void LibtorchUnpickler::call(std::uint64_t index) {
  if (index >= functions_.size()) return fail("Parsing error: out of bounds access to globals_");
  run_function(index);
}

void LibtorchUnpickler::run_function(std::uint64_t index) {
  switch (functions_[index].function) {
    case Function::kTensorOfTable:
      return fail("Pickler tried to write a tensor but had no tensor table to write to");
    case Function::kIntList:
      if (expect(stack_.back(), Kind::kGenericList)) values_[stack_.back()].element = Element::kInt;
      return;
    case Function::kTensorFromId:
      (void)element(pop(), 0);
      return fail("Found a tensor table reference but Unpickler has no tensor table");
    case Function::kRestoreTypeTag:
      return restore_type_tag();
    case Function::kBuildIntList:
      return build_list(Element::kInt);
    case Function::kBuildTensorList:
      return build_list(Element::kTensor);
    case Function::kBuildDoubleList:
      return build_list(Element::kDouble);
    case Function::kBuildBoolList:
      return build_list(Element::kBool);
    case Function::kRebuildTensor:
      return rebuild_tensor(false);
    case Function::kRebuildQuantized:
      return rebuild_tensor(true);
    case Function::kRebuildFromType:
      return rebuild_from_type(index);
    case Function::kRebuildParameter:
      return rebuild_parameter();
    case Function::kComplex:
      return make_complex();
    case Function::kOrderedDict:
      stack_.back() = 0;
      return;
    case Function::kDevice: {
      const Id text = element(pop(), 0);
      if (device_type(text)) push(of(Kind::kDevice));
      return;
    }
    case Function::kRebuildSparse:
      return leave("how LibTorch makes a sparse tensor is not followed");
    case Function::kRemoteReference:
      return leave("a reference to another process is not followed");
    case Function::kMakeObject:
      return make_object(functions_[index]);
    case Function::kMakeEnum:
      (void)pop();
      return push(of(Kind::kEnum));
  }
}

void LibtorchUnpickler::build_list(Element element_type) {
  const Id list = element(pop(), 0);
  if (!expect(list, Kind::kGenericList)) return;
  values_[list].element = element_type;
  stack_.push_back(list);
}

void LibtorchUnpickler::restore_type_tag() {
  const Id tuple = pop();
  const Id type = element(tuple, 1);
  if (!expect(type, Kind::kString) || !may_read(values_[type].text.size())) return;
  std::string_view rest = values_[type].text;
  const auto head = take_type(rest);
  if (!head || !rest.empty()) return leave("a type is not followed");
  const Id container = element(tuple, 0);
  if (*head == "Dict") {
    if (!expect(container, Kind::kGenericDict)) return;
  } else if (*head == "List") {
    if (!expect(container, Kind::kGenericList)) return;
    const std::string_view text = values_[type].text;
    values_[container].element = text == "List[int]"      ? Element::kInt
                                 : text == "List[Tensor]" ? Element::kTensor
                                 : text == "List[float]"  ? Element::kDouble
                                 : text == "List[bool]"   ? Element::kBool
                                                          : Element::kAny;
  } else {
    return fail("Unknown type for tag restoration: ");
  }
  stack_.push_back(container);
}

void LibtorchUnpickler::make_complex() {
  const Id tuple = pop();
  if (!expect(tuple, Kind::kTuple)) return;
  if (values_[tuple].items.size() != 2) return fail("elems.size() == 2 INTERNAL ASSERT FAILED");
  if (!expect(element(tuple, 0), Kind::kDouble)) return;
  if (!expect(element(tuple, 1), Kind::kDouble)) return;
  push(of(Kind::kComplexDouble));
}

}  // namespace torchvet
