// Values and arguments of an exported program. Each argument is an object with one key, which says
// its kind: {"as_tensor": {"name": "x"}}, {"as_ints": [2, 3]}.
#include "formats/exported/builder.h"

#include <cmath>

namespace torchvet {
namespace {

/// A float; torch writes those that JSON cannot as text.
std::optional<double> number(Json value) {
  if (const auto plain = json_number(value)) return plain;
  const auto text = json_text(value);
  if (text == "Infinity") return HUGE_VAL;
  if (text == "-Infinity") return -HUGE_VAL;
  return std::nullopt;
}

std::optional<std::int64_t> integer(Json value) { return json_integer(value); }
std::optional<bool> flag(Json value) { return json_bool(value); }

template <typename T>
tl::unexpected<Error> failed(const Result<T>& result) {
  return tl::unexpected<Error>(result.error());
}

}  // namespace

ValueId ExportedBuilder::new_value(Value value) {
  graph_.values.push_back(std::move(value));
  return static_cast<ValueId>(graph_.values.size() - 1);
}

template <typename T>
ValueId ExportedBuilder::literal(ValueType type, T value) {
  Value made;
  made.type = type;
  made.literal.emplace();
  made.literal->value = std::move(value);
  return new_value(std::move(made));
}

void ExportedBuilder::read_tensor_values(Json graph, ExportedScope& scope) {
  const auto tensors = json_object(json_field(graph, "tensor_values"));
  if (!tensors) return;
  scope.tensors.reserve(tensors->size());
  for (const auto field : *tensors) {
    // torch 2.1 wrapped each: {"x": {"meta": {...}}}.
    scope.tensors.emplace(field.key, json_field(field.value, "meta").value_or(field.value));
  }
}

ValueId ExportedBuilder::define(ExportedScope& scope, std::string_view name, ValueType type) {
  Value value;
  value.name = std::string(name);
  value.type = type;
  if (const auto meta = scope.tensors.find(name); meta != scope.tensors.end()) {
    value.type = ValueType::kTensor;
    value.shape = exported_sizes(meta->second, "sizes", limits_.tensor_dimensions);
  }
  const ValueId id = new_value(std::move(value));
  scope.values.insert_or_assign(name, id);
  return id;
}

Result<ValueId> ExportedBuilder::named(const ExportedScope& scope,
                                       std::optional<std::string_view> name) {
  if (!name) return bad("an argument has no name");
  const auto at = scope.values.find(*name);
  if (at != scope.values.end()) return at->second;
  return bad("the value `" + std::string(*name) + "` is used and nothing defines it");
}

template <typename T, typename Read>
ValueId ExportedBuilder::list_literal(Json list, Read read) {
  std::vector<T> items;
  if (const auto array = json_array(list)) {
    for (const Json item : *array) items.push_back(read(item).value_or(T{}));
  }
  return literal(ValueType::kList, std::move(items));
}

Result<ValueId> ExportedBuilder::list_of(std::string_view tag, Json list, ExportedScope& scope) {
  const auto array = json_array(list);
  if (!array) return bad("`" + std::string(tag) + "` is no list");
  Node node;
  node.op = "prim::ListConstruct";
  for (const Json item : *array) {
    Result<ValueId> element = element_of(tag, item, scope);
    if (!element) return element;
    node.inputs.push_back({"", *element});
  }
  Value value;
  value.type = ValueType::kList;
  value.name = "list_" + std::to_string(graph_.values.size());  // the program names none
  node.outputs.push_back(new_value(std::move(value)));
  const ValueId result = node.outputs[0];
  if (Result<NodeId> id = add_node(std::move(node), scope); !id) return failed(id);
  return result;
}

Result<ValueId> ExportedBuilder::element_of(std::string_view tag, Json item, ExportedScope& scope) {
  if (tag == "as_tensors") return named(scope, json_text(json_field(item, "name")));
  const auto tagged = json_union(item);
  if (!tagged) return literal(ValueType::kNone, Literal::None{});
  if (tagged->tag == "as_name") return named(scope, json_text(tagged->value));
  return argument(*tagged, scope);
}

Result<ValueId> ExportedBuilder::argument(const JsonUnion& arg, ExportedScope& scope) {
  const auto& [tag, value] = arg;
  if (tag == "as_tensor" || tag == "as_custom_obj") {
    // Optional tensors in a list were bare names before torch 2.4.
    const auto bare = json_text(value);
    return named(scope, bare ? bare : json_text(json_field(value, "name")));
  }
  if (tag == "as_sym_int" || tag == "as_sym_float" || tag == "as_sym_bool" ||
      tag == "as_optional_tensor") {
    const auto inner = json_union(value);
    if (!inner) return literal(ValueType::kNone, Literal::None{});
    if (inner->tag == "as_name") return named(scope, json_text(inner->value));
    return argument(*inner, scope);
  }
  if (tag == "as_tensors" || tag == "as_optional_tensors" || tag == "as_sym_ints" ||
      tag == "as_sym_floats" || tag == "as_sym_bools") {
    return list_of(tag, value, scope);
  }
  return constant(arg);
}

ValueId ExportedBuilder::constant(const JsonUnion& arg) {
  const auto& [tag, value] = arg;
  if (tag == "as_int") {
    return literal(ValueType::kInt, json_integer(value).value_or(0));
  }
  if (tag == "as_float") return literal(ValueType::kFloat, number(value).value_or(NAN));
  if (tag == "as_bool") return literal(ValueType::kBool, json_bool(value).value_or(false));
  if (tag == "as_string") {
    return literal(ValueType::kString, std::string(json_text(value).value_or("")));
  }
  if (tag == "as_device") {
    return literal(ValueType::kDevice, Literal::Device{exported_device(value)});
  }
  if (tag == "as_scalar_type") {
    return literal(ValueType::kString,
                   std::string(exported_dtype(json_integer(value).value_or(0))));
  }
  if (tag == "as_ints") return list_literal<std::int64_t>(value, integer);
  if (tag == "as_floats") return list_literal<double>(value, number);
  if (tag == "as_bools") return list_literal<bool>(value, flag);
  if (tag == "as_memory_format" || tag == "as_layout") {
    return literal(ValueType::kInt, json_integer(value).value_or(0));
  }
  if (tag == "as_none") return literal(ValueType::kNone, Literal::None{});
  return new_value({});  // of a kind that no analysis looks into
}

Result<void> ExportedBuilder::read_results(Json graph, ExportedScope& scope,
                                           std::vector<ValueId>& results) {
  const auto outputs = json_array(json_field(graph, "outputs"));
  if (!outputs) return bad("a graph has no outputs");
  for (const Json output : *outputs) {
    const auto tagged = json_union(output);
    if (!tagged) return bad("an output is of no kind");
    Result<ValueId> value = argument(*tagged, scope);
    if (!value) return failed(value);
    results.push_back(*value);
  }
  return {};
}

Result<NodeId> ExportedBuilder::add_node(Node node, const ExportedScope& scope) {
  if (graph_.nodes.size() >= limits_.graph_nodes) {
    return fail(ErrorCode::kLimitExceeded, 0,
                "the graph has more than " + std::to_string(limits_.graph_nodes) + " nodes");
  }
  const NodeId id = static_cast<NodeId>(graph_.nodes.size());
  node.block = scope.block;
  node.no_grad = scope.no_grad;
  for (const ValueId output : node.outputs) graph_.values[output].producer = id;
  graph_.blocks[scope.block].nodes.push_back(id);
  graph_.nodes.push_back(std::move(node));
  return id;
}

ExportedBuilder::Outputs ExportedBuilder::output_names(simdjson::dom::array outputs) {
  Outputs names;
  const auto add = [&](std::optional<std::string_view> name, ValueType type) {
    if (name) names.emplace_back(*name, type);
  };
  for (const Json output : outputs) {
    const auto tagged = json_union(output);
    if (!tagged) continue;
    if (const auto list = json_array(tagged->value)) {
      for (const Json item : *list) {
        const auto inner = json_union(item);
        const auto name = json_text(json_field(item, "name"));
        add(name || !inner ? name : json_text(json_field(inner->value, "name")),
            ValueType::kTensor);
      }
    } else if (const auto name = json_text(json_field(tagged->value, "name"))) {
      add(name, tagged->tag == "as_tensor" ? ValueType::kTensor : ValueType::kObject);
    } else {
      add(json_text(json_field(tagged->value, "as_name")), ValueType::kInt);
    }
  }
  return names;
}

std::vector<std::string_view> ExportedBuilder::placeholders_of(Json graph) {
  std::vector<std::string_view> names;
  const auto inputs = json_array(json_field(graph, "inputs"));
  if (!inputs) return names;
  for (const Json input : *inputs) {
    const auto tagged = json_union(input);
    auto name =
        tagged ? json_text(json_field(tagged->value, "name")) : std::optional<std::string_view>();
    if (tagged && !name) name = json_text(json_field(tagged->value, "as_name"));
    names.push_back(name.value_or(""));
  }
  return names;
}

}  // namespace torchvet
