// The dataclasses of torch/_export/serde/schema.py, and what `_dict_to_dataclass` of serialize.py
// beside it asks of a JSON text: every field without a default is there; a union is an object with
// one member, which it knows; lists are lists and dicts are objects. Fields that no class has are
// passed over, for the sake of newer programs.
#include "formats/exported_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "formats/exported_builder.h"
#include "formats/exported_graph.h"
#include "model/device.h"

namespace torchvet {
namespace {

constexpr std::int64_t kNewestLayout = 7;  // strided; those before it are sparse, and oneDNN's

enum class Class : std::uint8_t {
  kAny,  ///< what is not looked at
  kText, kWhole, kFlag, kDType, kLayout,
  kSymExprHint, kSymExpr, kSymInt, kSymFloat, kSymBool, kDevice, kTensorMeta,
  kSymIntArgument, kSymFloatArgument, kSymBoolArgument, kNamed, kOptionalTensor, kGraphArgument,
  kCustomObject, kComplex, kArgument, kNamedArgument, kNode, kGraph,
  kUserInput, kConstantValue, kConstantInput, kParameterInput, kBufferInput, kConstantTensorInput,
  kCustomObjectInput, kTokenSpec, kInputSpec, kUserOutput, kLossOutput, kBufferOutput,
  kParameterOutput, kUserInputOutput, kOutputSpec, kSignature,
  kRange, kCallSignature, kCallEntry, kNamedTuple, kGraphModule, kVersion, kProgram,
  kPayload, kPayloads,
};
using enum Class;

enum class Shape : std::uint8_t { kOne, kList, kLists, kDict };
using enum Shape;

enum class Need : std::uint8_t {
  kRequired,
  kNullable,  ///< required, and may be null
  kOptional,  ///< may be missing
  kNullableOrNone,  ///< may be null, or missing
};
using enum Need;

struct Field {
  std::string_view name;
  Class of = kAny;
  Shape shape = kOne;
  Need need = kRequired;
};

// clang-format off
constexpr Field kSymExprHintFields[] = {{"as_int", kWhole}, {"as_bool", kFlag}, {"as_float"}};
constexpr Field kSymExprFields[] = {{"expr_str", kText}, {"hint", kSymExprHint, kOne, kNullableOrNone}};
constexpr Field kSymIntFields[] = {{"as_expr", kSymExpr}, {"as_int", kWhole}};
constexpr Field kSymFloatFields[] = {{"as_expr", kSymExpr}, {"as_float"}};
constexpr Field kSymBoolFields[] = {{"as_expr", kSymExpr}, {"as_bool", kFlag}};
constexpr Field kDeviceFields[] = {{"type", kText}};
constexpr Field kTensorMetaFields[] = {
    {"dtype", kDType}, {"sizes", kSymInt, kList}, {"requires_grad", kFlag}, {"device", kDevice},
    {"strides", kSymInt, kList}, {"storage_offset", kSymInt}, {"layout", kLayout}};
constexpr Field kSymIntArgumentFields[] = {{"as_name", kText}, {"as_int", kWhole}};
constexpr Field kSymFloatArgumentFields[] = {{"as_name", kText}, {"as_float"}};
constexpr Field kSymBoolArgumentFields[] = {{"as_name", kText}, {"as_bool", kFlag}};
constexpr Field kNamedFields[] = {{"name", kText}};
constexpr Field kOptionalTensorFields[] = {{"as_tensor", kNamed}, {"as_none", kFlag}};
constexpr Field kGraphArgumentFields[] = {{"name", kText}, {"graph", kGraph}};
constexpr Field kCustomObjectFields[] = {{"name", kText}, {"class_fqn", kText}};
constexpr Field kComplexFields[] = {{"real"}, {"imag"}};
constexpr Field kArgumentFields[] = {
    {"as_none", kFlag}, {"as_tensor", kNamed}, {"as_tensors", kNamed, kList}, {"as_int", kWhole},
    {"as_ints", kWhole, kList}, {"as_float"}, {"as_floats", kAny, kList}, {"as_string", kText},
    {"as_strings", kText, kList}, {"as_sym_int", kSymIntArgument},
    {"as_sym_ints", kSymIntArgument, kList}, {"as_scalar_type", kWhole}, {"as_memory_format", kWhole},
    {"as_layout", kWhole}, {"as_device", kDevice}, {"as_bool", kFlag}, {"as_bools", kFlag, kList},
    {"as_sym_bool", kSymBoolArgument}, {"as_sym_bools", kSymBoolArgument, kList},
    {"as_graph", kGraphArgument}, {"as_optional_tensors", kOptionalTensor, kList},
    {"as_custom_obj", kCustomObject}, {"as_operator", kText}, {"as_sym_float", kSymFloatArgument},
    {"as_sym_floats", kSymFloatArgument, kList}, {"as_optional_tensor", kOptionalTensor},
    {"as_complex", kComplex}, {"as_nested_tensors", kNamed, kLists},
    {"as_int_lists", kWhole, kLists}, {"as_string_to_argument", kArgument, kDict},
    {"as_float_lists", kAny, kLists}};
constexpr Field kNamedArgumentFields[] = {{"name", kText}, {"arg", kArgument}};
constexpr Field kNodeFields[] = {
    {"target", kText}, {"inputs", kNamedArgument, kList}, {"outputs", kArgument, kList},
    {"metadata", kAny, kDict}};
constexpr Field kGraphFields[] = {
    {"inputs", kArgument, kList}, {"outputs", kArgument, kList}, {"nodes", kNode, kList},
    {"tensor_values", kTensorMeta, kDict}, {"sym_int_values", kSymInt, kDict},
    {"sym_bool_values", kSymBool, kDict}, {"custom_obj_values", kCustomObject, kDict, kOptional},
    {"sym_float_values", kSymFloat, kDict, kOptional}};
constexpr Field kUserInputFields[] = {{"arg", kArgument}};
constexpr Field kConstantValueFields[] = {
    {"as_none", kFlag}, {"as_int", kWhole}, {"as_float"}, {"as_string", kText}, {"as_bool", kFlag}};
constexpr Field kConstantInputFields[] = {{"name", kText}, {"value", kConstantValue}};
constexpr Field kParameterInputFields[] = {{"arg", kNamed}, {"parameter_name", kText}};
constexpr Field kBufferInputFields[] = {{"arg", kNamed}, {"buffer_name", kText}, {"persistent", kFlag}};
constexpr Field kConstantTensorInputFields[] = {{"arg", kNamed}, {"tensor_constant_name", kText}};
constexpr Field kCustomObjectInputFields[] = {{"arg", kCustomObject}, {"custom_obj_name", kText}};
constexpr Field kTokenSpecFields[] = {{"arg", kNamed}};
constexpr Field kInputSpecFields[] = {
    {"user_input", kUserInput}, {"parameter", kParameterInput}, {"buffer", kBufferInput},
    {"tensor_constant", kConstantTensorInput}, {"custom_obj", kCustomObjectInput},
    {"token", kTokenSpec}, {"constant_input", kConstantInput}};
constexpr Field kUserOutputFields[] = {{"arg", kArgument}};
constexpr Field kLossOutputFields[] = {{"arg", kNamed}};
constexpr Field kBufferOutputFields[] = {{"arg", kNamed}, {"buffer_name", kText}};
constexpr Field kParameterOutputFields[] = {{"arg", kNamed}, {"parameter_name", kText}};
constexpr Field kUserInputOutputFields[] = {{"arg", kNamed}, {"user_input_name", kText}};
constexpr Field kOutputSpecFields[] = {
    {"user_output", kUserOutput}, {"loss_output", kLossOutput}, {"buffer_mutation", kBufferOutput},
    {"gradient_to_parameter", kParameterOutput}, {"gradient_to_user_input", kUserInputOutput},
    {"user_input_mutation", kUserInputOutput}, {"token", kTokenSpec},
    {"parameter_mutation", kParameterOutput}};
constexpr Field kSignatureFields[] = {
    {"input_specs", kInputSpec, kList}, {"output_specs", kOutputSpec, kList}};
constexpr Field kRangeFields[] = {{"min_val"}, {"max_val"}};
constexpr Field kCallSignatureFields[] = {
    {"inputs", kArgument, kList}, {"outputs", kArgument, kList}, {"in_spec", kText}, {"out_spec", kText},
    {"forward_arg_names", kText, kList, kNullableOrNone}};
constexpr Field kCallEntryFields[] = {{"fqn", kText}, {"signature", kCallSignature, kOne, kNullableOrNone}};
constexpr Field kNamedTupleFields[] = {{"field_names", kText, kList}};
constexpr Field kGraphModuleFields[] = {
    {"graph", kGraph}, {"signature", kSignature}, {"module_call_graph", kCallEntry, kList},
    {"metadata", kAny, kDict, kOptional},
    {"treespec_namedtuple_fields", kNamedTuple, kDict, kOptional}};
constexpr Field kVersionFields[] = {{"major", kWhole}, {"minor", kWhole}};
constexpr Field kProgramFields[] = {
    {"graph_module", kGraphModule}, {"opset_version"},
    {"range_constraints", kRange, kDict}, {"schema_version", kVersion},
    {"verifiers", kText, kList, kOptional}, {"guards_code", kText, kList, kOptional}};
constexpr Field kPayloadFields[] = {
    {"path_name", kText}, {"is_param", kFlag}, {"use_pickle", kFlag}, {"tensor_meta", kTensorMeta, kOne, kNullable}};
constexpr Field kPayloadsFields[] = {{"config", kPayload, kDict}};

struct Row {
  Class is;
  std::string_view name;  ///< torch's
  bool is_union;
  std::span<const Field> fields;
};

constexpr Row kRows[] = {
    {kAny, "", false, {}}, {kText, "text", false, {}}, {kWhole, "whole number", false, {}},
    {kFlag, "truth value", false, {}}, {kDType, "element type of torch", false, {}},
    {kLayout, "layout of torch", false, {}},
    {kSymExprHint, "SymExprHint", true, kSymExprHintFields},
    {kSymExpr, "SymExpr", false, kSymExprFields},
    {kSymInt, "SymInt", true, kSymIntFields},
    {kSymFloat, "SymFloat", true, kSymFloatFields},
    {kSymBool, "SymBool", true, kSymBoolFields},
    {kDevice, "Device", false, kDeviceFields},
    {kTensorMeta, "TensorMeta", false, kTensorMetaFields},
    {kSymIntArgument, "SymIntArgument", true, kSymIntArgumentFields},
    {kSymFloatArgument, "SymFloatArgument", true, kSymFloatArgumentFields},
    {kSymBoolArgument, "SymBoolArgument", true, kSymBoolArgumentFields},
    {kNamed, "TensorArgument", false, kNamedFields},
    {kOptionalTensor, "OptionalTensorArgument", true, kOptionalTensorFields},
    {kGraphArgument, "GraphArgument", false, kGraphArgumentFields},
    {kCustomObject, "CustomObjArgument", false, kCustomObjectFields},
    {kComplex, "ComplexValue", false, kComplexFields},
    {kArgument, "Argument", true, kArgumentFields},
    {kNamedArgument, "NamedArgument", false, kNamedArgumentFields},
    {kNode, "Node", false, kNodeFields},
    {kGraph, "Graph", false, kGraphFields},
    {kUserInput, "UserInputSpec", false, kUserInputFields},
    {kConstantValue, "ConstantValue", true, kConstantValueFields},
    {kConstantInput, "InputToConstantInputSpec", false, kConstantInputFields},
    {kParameterInput, "InputToParameterSpec", false, kParameterInputFields},
    {kBufferInput, "InputToBufferSpec", false, kBufferInputFields},
    {kConstantTensorInput, "InputToTensorConstantSpec", false, kConstantTensorInputFields},
    {kCustomObjectInput, "InputToCustomObjSpec", false, kCustomObjectInputFields},
    {kTokenSpec, "InputTokenSpec", false, kTokenSpecFields},
    {kInputSpec, "InputSpec", true, kInputSpecFields},
    {kUserOutput, "UserOutputSpec", false, kUserOutputFields},
    {kLossOutput, "LossOutputSpec", false, kLossOutputFields},
    {kBufferOutput, "BufferMutationSpec", false, kBufferOutputFields},
    {kParameterOutput, "ParameterMutationSpec", false, kParameterOutputFields},
    {kUserInputOutput, "UserInputMutationSpec", false, kUserInputOutputFields},
    {kOutputSpec, "OutputSpec", true, kOutputSpecFields},
    {kSignature, "GraphSignature", false, kSignatureFields},
    {kRange, "RangeConstraint", false, kRangeFields},
    {kCallSignature, "ModuleCallSignature", false, kCallSignatureFields},
    {kCallEntry, "ModuleCallEntry", false, kCallEntryFields},
    {kNamedTuple, "NamedTupleDef", false, kNamedTupleFields},
    {kGraphModule, "GraphModule", false, kGraphModuleFields},
    {kVersion, "SchemaVersion", false, kVersionFields},
    {kProgram, "ExportedProgram", false, kProgramFields},
    {kPayload, "PayloadMeta", false, kPayloadFields},
    {kPayloads, "PayloadConfig", false, kPayloadsFields},
};
// clang-format on
static_assert([] {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (static_cast<std::size_t>(kRows[i].is) != i) return false;
  }
  return true;
}());

const Row& row_of(Class is) { return kRows[static_cast<std::size_t>(is)]; }

bool is_required(const Field& field) { return field.need == kRequired || field.need == kNullable; }
bool may_be_null(const Field& field) {
  return field.need == kNullable || field.need == kNullableOrNone;
}

bool is_scalar(Class is, Json value) {
  const auto number = json_integer(value);
  switch (is) {
    case kText:
      return value.is_string();
    case kWhole:
      return number || json_unsigned(value);
    case kFlag:
      return value.is_bool();
    case kDType:
      return number && exported_dtype(*number) != "unknown";
    case kLayout:
      return number && *number >= 1 && *number <= kNewestLayout;
    default:
      return true;
  }
}

struct Item {
  Json value;
  Class of;
  Shape shape;
  std::string_view near;  ///< the last key of a dict on the way to it: a tensor's name
};

class Walk {
 public:
  std::optional<Error> from(Json root, Class of) {
    open_.push_back({root, of, kOne, {}});
    while (!open_.empty() && !wrong_) {
      const Item item = open_.back();
      open_.pop_back();
      look_at(item);
    }
    return std::move(wrong_);
  }

 private:
  void fail_at(const Item& item, const std::string& what) {
    const std::string where = item.near.empty() ? "" : fmt::format(" at `{}`", item.near);
    wrong_ = Error{ErrorCode::kExportedBadProgram, 0,
                   fmt::format("{}{} {}", row_of(item.of).name, where, what)};
  }

  void look_at(const Item& item) {
    if (item.shape != kOne) return open(item);
    const Row& row = row_of(item.of);
    if (row.fields.empty()) {
      if (!is_scalar(item.of, item.value)) fail_at(item, fmt::format("has a value that is no {}", row.name));
      return;
    }
    const auto object = json_object(item.value);
    if (!object) return fail_at(item, "is no object");
    if (row.is_union) {
      if (object->size() != 1) return fail_at(item, "has not one member, as a union must");
      const auto only = *object->begin();
      const Field* field = find(row, only.key);
      if (field == nullptr) return fail_at(item, fmt::format("has no member `{}`", only.key));
      return enter(item, *field, only.value);
    }
    std::size_t required = 0;
    for (const auto [key, value] : *object) {
      const Field* field = find(row, key);
      if (field == nullptr) continue;
      if (is_required(*field)) ++required;
      if (may_be_null(*field) && value.is_null()) continue;
      enter(item, *field, value);
    }
    const auto wanted = std::count_if(row.fields.begin(), row.fields.end(), is_required);
    if (required < static_cast<std::size_t>(wanted)) tell_missing(item, row, *object);
    if (item.of == kProgram) read_ranges(item.value);
    if (item.of == kGraph) {
      find_nameless(item);
      check_hints(item);
    }
    if (item.of == kNode) check_node(item);
    if (item.of == kTensorMeta) check_layout(item);
    if (item.of == kDevice) check_device(item);
  }

  /// Torch looks the target up by its name, and reads where a node came from out of a text.
  void check_node(const Item& node) {
    const auto target = json_text(json_field(node.value, "target"));
    const auto is_odd = [](char c) {
      constexpr std::string_view kBetween = "._#:<>-";
      const auto byte = static_cast<unsigned char>(c);
      return byte < 0x80 && std::isalnum(byte) == 0 && kBetween.find(c) == std::string_view::npos;
    };
    if (target && std::any_of(target->begin(), target->end(), is_odd)) {
      return fail_at(node, fmt::format("has a target that is no name: {}", target->substr(0, 40)));
    }
    const auto origin = json_text(json_field(json_field(node.value, "metadata"), "from_node"));
    if (!origin || origin->empty()) return;
    const auto parsed = JsonDocument::parse(*origin, Limits{});
    if (!parsed) fail_at(node, fmt::format("has a `from_node` that is no JSON: {}", parsed.error().detail));
  }

  void read_ranges(Json program) {
    const auto ranges = json_object(json_field(program, "range_constraints"));
    if (!ranges) return;
    for (const auto [symbol, range] : *ranges) {
      ranges_[symbol] = {json_integer(json_field(range, "min_val")).value_or(INT64_MIN),
                         json_integer(json_field(range, "max_val")).value_or(INT64_MAX)};
    }
  }

  /// The size that a symbol had in the example lies in the range of the symbol. Torch takes the first one
  /// that it meets, in the outermost graph.
  void check_hints(const Item& graph) {
    const auto tensors = json_object(json_field(graph.value, "tensor_values"));
    if (!tensors) return;
    for (const auto tensor : *tensors) {
      for (const char* field : {"sizes", "strides"}) {
        const auto numbers = json_array(json_field(tensor.value, field));
        if (!numbers) return;
        for (const Json number : *numbers) check_hint(graph, json_field(number, "as_expr"));
      }
    }
    ranges_.clear();
  }

  /// "s7" of "Symbol('s7', positive=True, integer=True)"; of what is computed from symbols nothing.
  static std::string_view symbol_of(std::string_view expression) {
    constexpr std::string_view kBegin = "Symbol('";
    if (!expression.starts_with(kBegin) || expression.find(')') + 1 != expression.size()) return {};
    expression.remove_prefix(kBegin.size());
    return expression.substr(0, expression.find('\''));
  }

  void check_hint(const Item& graph, std::optional<Json> expression) {
    const std::string_view symbol =
        symbol_of(json_text(json_field(expression, "expr_str")).value_or(std::string_view()));
    const auto hint = json_integer(json_field(json_field(expression, "hint"), "as_int"));
    const auto range = ranges_.find(symbol);
    if (!hint || range == ranges_.end()) return;
    const auto [least, most] = range->second;
    if (*hint < least || *hint > most) {
      fail_at(graph, fmt::format("gives `{}` the size {}, of {} to {}", symbol, *hint, least, most));
    }
    ranges_.erase(range);
  }

  /// Torch makes each tensor anew, without numbers, by `empty_strided`.
  void check_device(const Item& device) {
    const auto type = json_text(json_field(device.value, "type"));
    if (type && !is_device_type(*type)) {
      return fail_at(device, fmt::format("has a type that torch does not have: {}", type->substr(0, 40)));
    }
    if (json_integer(json_field(device.value, "index")).value_or(0) < 0) {
      fail_at(device, "has an index below 0");
    }
  }

  void check_layout(const Item& meta) {
    std::size_t counts[2] = {};
    for (const auto& [field, count] : {std::pair("sizes", &counts[0]), {"strides", &counts[1]}}) {
      const auto numbers = json_array(json_field(meta.value, field));
      if (!numbers) return;
      for (const Json number : *numbers) {
        ++*count;
        if (json_integer(json_field(number, "as_int")).value_or(0) < 0) {
          return fail_at(meta, fmt::format("has `{}` below 0", field));
        }
      }
    }
    if (counts[0] != counts[1]) {
      return fail_at(meta, fmt::format("has {} sizes and {} strides", counts[0], counts[1]));
    }
    std::optional<std::uint64_t> elements = 1;
    const auto sizes = json_array(json_field(meta.value, "sizes"));
    for (const Json number : *sizes) {
      const auto size = json_integer(json_field(number, "as_int"));
      if (!size) return;  // one that is not known before the program runs
      if (elements) elements = checked_mul(*elements, static_cast<std::uint64_t>(*size));
    }
    if (!elements || *elements > INT64_MAX) fail_at(meta, "has more elements than can be counted");
  }

  /// Torch looks every input of a graph and every result of a node up in the tables of its values.
  void find_nameless(const Item& graph) {
    std::unordered_set<std::string_view> described;
    for (const char* table : {"tensor_values", "sym_int_values", "sym_bool_values",
                              "sym_float_values", "custom_obj_values"}) {
      const auto values = json_object(json_field(graph.value, table));
      if (!values) continue;
      for (const auto field : *values) described.insert(field.key);
    }
    const auto look_for = [&](std::string_view name) {
      if (name.empty() || described.contains(name)) return;
      fail_at(graph, fmt::format("does not describe its value `{}`", name));
    };
    for (const std::string_view name : ExportedBuilder::placeholders_of(graph.value)) look_for(name);
    const auto nodes = json_array(json_field(graph.value, "nodes"));
    if (!nodes) return;
    for (const Json node : *nodes) {
      const auto outputs = json_array(json_field(node, "outputs"));
      if (!outputs) continue;
      for (const auto& [name, type] : ExportedBuilder::output_names(*outputs)) look_for(name);
    }
  }

  /// The elements of a list or dict, which it is.
  void open(const Item& item) {
    if (item.of == kAny) return;
    if (item.shape == kDict) {
      const simdjson::dom::object object = *json_object(item.value);
      for (const auto [key, value] : object) open_.push_back({value, item.of, kOne, key});
      return;
    }
    const simdjson::dom::array array = *json_array(item.value);
    for (const Json value : array) {
      if (item.shape == kLists && !value.is_array()) return fail_at(item, "is not in a list of lists");
      open_.push_back({value, item.of, item.shape == kLists ? kList : kOne, item.near});
    }
  }

  void enter(const Item& item, const Field& field, Json value) {
    if (field.shape == kOne && row_of(field.of).fields.empty()) {
      if (is_scalar(field.of, value)) return;
      return fail_at(item, fmt::format("has a `{}` that is no {}", field.name, row_of(field.of).name));
    }
    const bool fits = field.shape == kOne ||
                      (field.shape == kDict ? value.is_object() : value.is_array());
    if (!fits) {
      return fail_at(item, fmt::format("has a `{}` that is no {}", field.name,
                                       field.shape == kDict ? "object" : "list"));
    }
    open_.push_back({value, field.of, field.shape, item.near});
  }

  void tell_missing(const Item& item, const Row& row, simdjson::dom::object object) {
    for (const Field& field : row.fields) {
      if (!is_required(field)) continue;
      const bool here = std::any_of(object.begin(), object.end(),
                                    [&](const auto& one) { return one.key == field.name; });
      if (!here) return fail_at(item, fmt::format("has no `{}`", field.name));
    }
  }

  static const Field* find(const Row& row, std::string_view name) {
    const auto found = std::find_if(row.fields.begin(), row.fields.end(),
                                    [&](const Field& field) { return field.name == name; });
    return found == row.fields.end() ? nullptr : &*found;
  }

  std::vector<Item> open_;
  std::unordered_map<std::string_view, std::pair<std::int64_t, std::int64_t>> ranges_;
  std::optional<Error> wrong_;
};

}  // namespace

std::optional<Error> against_schema(Json root, SchemaRoot kind) {
  return Walk().from(root, kind == SchemaRoot::kProgram ? kProgram : kPayloads);
}

}  // namespace torchvet
