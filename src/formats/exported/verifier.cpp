// The names of a graph's inputs and outputs stand in it twice: in the graph, and in the signature, which
// says what each is for. torch compares the two when it loads a program, in this order.
//
// Source: `_verify_exported_program_signature` and `_verify_exported_program_module_call_graph` of
// torch/_export/verifier.py, 2.13.
#include "formats/exported/verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "formats/exported/signature.h"

namespace torchvet {
namespace {

using Names = std::unordered_set<std::string_view>;

Error refused(std::string detail) {
  return {ErrorCode::kArchiveRefused, 0, std::move(detail)};
}

/// The name in the argument of a spec that torch compares: of a tensor or of a symbolic number.
std::optional<std::string_view> compared_name(const JsonUnion& spec) {
  const auto arg = json_field(spec.value, "arg");
  const auto tagged = json_union(arg);
  const bool is_union = spec.tag == "user_input" || spec.tag == "user_output";
  if (!is_union) {
    const bool other = spec.tag == "token" || spec.tag == "custom_obj";
    return other ? std::nullopt : json_text(json_field(arg, "name"));
  }
  const bool compared =
      tagged && (tagged->tag == "as_tensor" || tagged->tag == "as_sym_int" ||
                 tagged->tag == "as_sym_float");
  return compared ? exported_argument_name(arg) : std::nullopt;
}

std::optional<Error> inputs_at_odds(const std::vector<Json>& inputs,
                                    const std::vector<Json>& specs) {
  if (inputs.size() != specs.size()) {
    return refused(fmt::format("the graph has {} inputs, its signature {}", inputs.size(),
                               specs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto spec = json_union(specs[i]);
    const auto said = spec ? compared_name(*spec) : std::nullopt;
    const auto is = exported_argument_name(inputs[i]);
    if (said && is && *said != *is) {
      return refused(fmt::format("the signature calls input {} `{}`, the graph `{}`", i, *said, *is));
    }
  }
  return std::nullopt;
}

/// Outputs are tokens, then what is written to buffers, parameters and inputs, then what the user gets.
std::optional<Error> outputs_at_odds(const std::vector<Json>& outputs,
                                     const std::vector<Json>& specs) {
  if (outputs.size() != specs.size()) {
    return refused(fmt::format("the graph has {} outputs, its signature {}", outputs.size(),
                               specs.size()));
  }
  std::size_t tokens = 0;
  std::vector<std::optional<std::string_view>> for_user;
  Names to_buffers, to_parameters, to_inputs;
  for (const Json json : specs) {
    const auto spec = json_union(json);
    if (!spec) return std::nullopt;
    const auto name = compared_name(*spec);
    if (spec->tag == "token") ++tokens;
    if (spec->tag == "user_output" || spec->tag == "loss_output") for_user.push_back(name);
    if (!name) continue;
    if (spec->tag == "buffer_mutation") to_buffers.insert(*name);
    if (spec->tag == "parameter_mutation") to_parameters.insert(*name);
    if (spec->tag == "user_input_mutation") to_inputs.insert(*name);
  }
  const std::size_t writes = to_buffers.size() + to_parameters.size() + to_inputs.size();
  for (std::size_t i = tokens; i < outputs.size(); ++i) {
    const auto is = exported_argument_name(outputs[i]);
    if (!is) continue;
    if (i < tokens + writes) {
      if (to_buffers.contains(*is) || to_parameters.contains(*is) || to_inputs.contains(*is)) continue;
      return refused(fmt::format("output {} of the graph, `{}`, is written to nothing", i, *is));
    }
    const std::size_t place = i - tokens - writes;
    if (place >= for_user.size() || !for_user[place] || *for_user[place] == *is) continue;
    return refused(fmt::format("the signature calls output {} `{}`, the graph `{}`", i,
                               *for_user[place], *is));
  }
  return std::nullopt;
}

/// Every name that stands in a value: {"as_tensors": [{"name": "x"}, ...]} and its like.
void collect_names(Json value, Names& names) {
  std::vector<Json> open = {value};
  while (!open.empty()) {
    const Json next = open.back();
    open.pop_back();
    if (const auto items = json_array(next)) {
      open.insert(open.end(), items->begin(), items->end());
    } else if (const auto fields = json_object(next)) {
      for (const auto field : *fields) {
        const auto text = json_text(field.value);
        if (text && (field.key == "name" || field.key == "as_name")) names.insert(*text);
        if (!text) open.push_back(field.value);
      }
    }
  }
}

/// Modules that are called name the values that they get and give.
std::optional<Error> modules_at_odds(Json graph_module, Json graph) {
  const auto modules = json_array(json_field(graph_module, "module_call_graph"));
  const auto nodes = json_array(json_field(graph, "nodes"));
  const auto inputs = json_field(graph, "inputs");
  if (!modules || !nodes || !inputs) return std::nullopt;
  Names known;
  collect_names(*inputs, known);
  for (const Json node : *nodes) {
    if (const auto outputs = json_field(node, "outputs")) collect_names(*outputs, known);
  }
  for (const Json module : *modules) {
    const auto signature = json_field(module, "signature");
    for (const char* side : {"inputs", "outputs"}) {
      const auto values = json_array(json_field(signature, side));
      if (!values) continue;
      for (const Json value : *values) {
        const auto name = exported_argument_name(value);
        if (!name || name->empty() || known.contains(*name)) continue;
        return refused(fmt::format("the module `{}` names `{}` among its {}, which no node makes",
                                   json_text(json_field(module, "fqn")).value_or(""), *name, side));
      }
    }
  }
  return std::nullopt;
}

std::vector<Json> items_of(const simdjson::dom::array& array) {
  return {array.begin(), array.end()};
}

}  // namespace

std::optional<Error> signature_at_odds(Json graph_module) {
  const auto graph = json_field(graph_module, "graph");
  const auto signature = json_field(graph_module, "signature");
  const auto inputs = json_array(json_field(graph, "inputs"));
  const auto outputs = json_array(json_field(graph, "outputs"));
  const auto input_specs = json_array(json_field(signature, "input_specs"));
  const auto output_specs = json_array(json_field(signature, "output_specs"));
  if (!inputs || !outputs || !input_specs || !output_specs) return std::nullopt;
  if (auto odds = inputs_at_odds(items_of(*inputs), items_of(*input_specs))) return odds;
  if (auto odds = outputs_at_odds(items_of(*outputs), items_of(*output_specs))) return odds;
  return modules_at_odds(graph_module, *graph);
}

}  // namespace torchvet
