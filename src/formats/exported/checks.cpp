// Source: `deserialize_graph`, `deserialize_tensor_meta` and `deserialize_metadata` of
// torch/_export/serde/serialize.py, 2.13, and `NodeSource._from_dict` of torch/fx/traceback.py.
#include "formats/exported/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "core/checked.h"
#include "core/split.h"
#include "formats/exported/builder.h"
#include "formats/exported/graph.h"
#include "model/device.h"
#include "model/dtype.h"

namespace torchvet {
namespace {

/// "L__self___fc,fc,torch.nn.modules.linear.Linear": three parts. Commas in brackets part nothing.
bool is_stack_item(std::string_view item) {
  int depth = 0;
  std::size_t parts = 1;
  for (const char c : item) {
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
    if (c == ',' && depth == 0) ++parts;
  }
  return parts == 3;
}

/// "linear,torch.nn.functional.linear"
bool is_source_item(std::string_view item) { return std::count(item.begin(), item.end(), ',') == 1; }

template <typename Test>
bool all_parts(std::string_view text, Test test) {
  bool all = true;
  for_each_part(text, ';', [&](std::string_view part) { all = all && test(part); });
  return all;
}

/// A list of objects with texts, each of which may hold such a list.
bool is_origin(Json root) {
  std::vector<Json> open = {root};
  while (!open.empty()) {
    const Json list = open.back();
    open.pop_back();
    if (list.is_null()) continue;
    const auto items = json_array(list);
    if (!items) return false;
    for (const Json item : *items) {
      if (item.is_null()) continue;
      if (!item.is_object()) return false;
      const auto action = json_field(item, "action");
      const auto inner = json_field(item, "from_node");
      if (action && !action->is_string()) return false;
      if (inner) open.push_back(*inner);
    }
  }
  return true;
}

bool has_gradient(std::string_view dtype) {
  const auto known = dtype_from_name(dtype);
  return known && (is_floating_point(*known) || dtype.starts_with("complex"));
}

/// "s7" of "Symbol('s7', positive=True, integer=True)"; of what is computed from symbols nothing.
std::string_view symbol_of(std::string_view expression) {
  constexpr std::string_view kBegin = "Symbol('";
  if (!expression.starts_with(kBegin) || expression.find(')') + 1 != expression.size()) return {};
  expression.remove_prefix(kBegin.size());
  return expression.substr(0, expression.find('\''));
}

}  // namespace

// --- Tensors -------------------------------------------------------------------------------------

std::optional<std::string> wrong_with_device(Json device) {
  const auto type = json_text(json_field(device, "type"));
  if (type && !is_device_type(*type)) {
    return fmt::format("has a type that torch does not have: {}", type->substr(0, 40));
  }
  if (json_integer(json_field(device, "index")).value_or(0) < 0) return "has an index below 0";
  return std::nullopt;
}

std::optional<std::string> wrong_with_meta(Json meta) {
  std::size_t counts[2] = {};
  for (const auto& [field, count] : {std::pair("sizes", &counts[0]), {"strides", &counts[1]}}) {
    const auto numbers = json_array(json_field(meta, field));
    if (!numbers) return std::nullopt;
    for (const Json number : *numbers) {
      ++*count;
      if (json_integer(json_field(number, "as_int")).value_or(0) < 0) {
        return fmt::format("has `{}` below 0", field);
      }
    }
  }
  if (counts[0] != counts[1]) return fmt::format("has {} sizes and {} strides", counts[0], counts[1]);
  const std::string_view dtype = exported_dtype(json_integer(json_field(meta, "dtype")).value_or(-1));
  if (json_bool(json_field(meta, "requires_grad")) == true && !has_gradient(dtype)) {
    return fmt::format("requires a gradient, which a tensor of {} cannot have", dtype);
  }
  std::optional<std::uint64_t> elements = 1;
  const simdjson::dom::array sizes = *json_array(json_field(meta, "sizes"));
  for (const Json number : sizes) {
    const auto size = json_integer(json_field(number, "as_int"));
    if (!size) return std::nullopt;  // one that is not known before the program runs
    if (elements) elements = checked_mul(*elements, static_cast<std::uint64_t>(*size));
  }
  if (!elements || *elements > INT64_MAX) return "has more elements than can be counted";
  return std::nullopt;
}

// --- Nodes ---------------------------------------------------------------------------------------

std::optional<std::string> wrong_with_metadata(Json node) {
  const auto metadata = json_field(node, "metadata");
  const auto text = [&](const char* key) {
    return json_text(json_field(metadata, key)).value_or(std::string_view());
  };
  const std::string_view stack = text("nn_module_stack"), sources = text("source_fn_stack");
  if (!stack.empty() && !all_parts(stack, is_stack_item)) {
    return "has an `nn_module_stack` that is no list of modules";
  }
  if (!sources.empty() && !all_parts(sources, is_source_item)) {
    return "has a `source_fn_stack` that is no list of functions";
  }
  for (const char* key : {"from_node", "custom"}) {
    if (text(key).empty()) continue;
    const auto parsed = JsonDocument::parse(text(key), Limits{});
    if (!parsed) return fmt::format("has a `{}` that is no JSON: {}", key, parsed.error().detail);
    if (std::string_view(key) == "from_node" && !is_origin(parsed->root())) {
      return "has a `from_node` that is no list of nodes";
    }
  }
  return std::nullopt;
}

// --- Graphs --------------------------------------------------------------------------------------

std::optional<std::string> wrong_with_names(Json graph) {
  std::unordered_set<std::string_view> described, defined;
  for (const char* table : {"tensor_values", "sym_int_values", "sym_bool_values",
                            "sym_float_values", "custom_obj_values"}) {
    const auto values = json_object(json_field(graph, table));
    if (!values) continue;
    for (const auto field : *values) described.insert(field.key);
  }
  const auto wrong_with = [&](std::string_view name) -> std::optional<std::string> {
    if (name.empty()) return std::nullopt;
    if (!described.contains(name)) return fmt::format("does not describe its value `{}`", name);
    if (!defined.insert(name).second) return fmt::format("has its value `{}` twice", name);
    return std::nullopt;
  };
  for (const std::string_view name : ExportedBuilder::placeholders_of(graph)) {
    if (auto wrong = wrong_with(name)) return wrong;
  }
  const auto nodes = json_array(json_field(graph, "nodes"));
  if (!nodes) return std::nullopt;
  for (const Json node : *nodes) {
    const auto outputs = json_array(json_field(node, "outputs"));
    if (!outputs) continue;
    for (const auto& [name, type] : ExportedBuilder::output_names(*outputs)) {
      if (auto wrong = wrong_with(name)) return wrong;
    }
  }
  return std::nullopt;
}

std::optional<std::string> wrong_with_outermost_graph(Json graph_module) {
  const auto single = json_field(json_field(graph_module, "graph"), "is_single_tensor_return");
  if (json_bool(single) == true) return "returns a single value, not a list of them";
  return std::nullopt;
}

// --- Symbolic sizes ------------------------------------------------------------------------------

std::optional<std::string> wrong_with_symbols(Json program) {
  const auto ranges = json_object(json_field(program, "range_constraints"));
  if (!ranges) return std::nullopt;
  for (const auto range : *ranges) {
    std::string_view number = range.key;
    if (number.starts_with("zuf")) {
      number.remove_prefix(3);
    } else if (number.starts_with('u')) {
      number.remove_prefix(1);
    } else {
      continue;
    }
    const bool counted = !number.empty() && std::all_of(number.begin(), number.end(), [](char c) {
      return c >= '0' && c <= '9';
    });
    if (!counted) return fmt::format("has a range of `{}`, which ends in no number", range.key);
  }
  return std::nullopt;
}

void SizeHints::read_ranges(Json program) {
  const auto ranges = json_object(json_field(program, "range_constraints"));
  if (!ranges) return;
  for (const auto [symbol, range] : *ranges) {
    ranges_[symbol] = {json_integer(json_field(range, "min_val")).value_or(INT64_MIN),
                       json_integer(json_field(range, "max_val")).value_or(INT64_MAX)};
  }
}

std::optional<std::string> SizeHints::wrong_with(Json graph) {
  const auto tensors = json_object(json_field(graph, "tensor_values"));
  if (!tensors) return std::nullopt;
  for (const auto tensor : *tensors) {
    for (const char* field : {"sizes", "strides"}) {
      const auto numbers = json_array(json_field(tensor.value, field));
      if (!numbers) return std::nullopt;
      for (const Json number : *numbers) {
        if (auto wrong = wrong_with_hint(json_field(number, "as_expr"))) return wrong;
      }
    }
  }
  ranges_.clear();
  return std::nullopt;
}

std::optional<std::string> SizeHints::wrong_with_hint(std::optional<Json> expression) {
  const std::string_view symbol =
      symbol_of(json_text(json_field(expression, "expr_str")).value_or(std::string_view()));
  const auto hint = json_integer(json_field(json_field(expression, "hint"), "as_int"));
  const auto range = ranges_.find(symbol);
  if (!hint || range == ranges_.end()) return std::nullopt;
  const auto [least, most] = range->second;
  ranges_.erase(range);
  if (*hint >= least && *hint <= most) return std::nullopt;
  return fmt::format("gives `{}` the size {}, of {} to {}", symbol, *hint, least, most);
}

}  // namespace torchvet
