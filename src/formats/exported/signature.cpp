// The signature of an exported program, which has had two forms. Since torch 2.2 it is a list of
// specs, one for each input and output:
//
//   {"input_specs": [{"parameter": {"arg": {"name": "p"}, "parameter_name": "fc.weight"}}, ...]}
//
// In torch 2.1 it was a table from the names of placeholders to paths:
//
//   {"inputs_to_parameters": {"arg0_1": "fc.weight"}, "inputs_to_buffers": {},
//    "user_inputs": ["arg1_1"], "buffers_to_mutate": {"add": "count"}, "user_outputs": [...]}
#include "formats/exported/signature.h"

#include <string>
#include <unordered_map>
#include <vector>

namespace torchvet {
namespace {

using Kind = ExportedInput::Kind;

struct NamedKind {
  std::string_view key;
  Kind kind;
};
constexpr NamedKind kTargets[] = {{"parameter_name", Kind::kParameter},
                                  {"buffer_name", Kind::kBuffer},
                                  {"tensor_constant_name", Kind::kConstant},
                                  {"custom_obj_name", Kind::kObject}};
constexpr NamedKind kTables[] = {{"inputs_to_parameters", Kind::kParameter},
                                 {"inputs_to_buffers", Kind::kBuffer}};

ExportedInput input_of(const JsonUnion& spec) {
  const auto arg = json_field(spec.value, "arg");
  if (spec.tag == "user_input") {
    return {Kind::kUser, exported_argument_name(arg).value_or(""), {}};
  }
  ExportedInput input;
  input.name = json_text(json_field(arg, "name")).value_or("");
  for (const NamedKind& target : kTargets) {
    const auto path = json_text(json_field(spec.value, target.key));
    if (path) input = {target.kind, input.name, *path};
  }
  if (input.kind == Kind::kBuffer) {
    input.not_persistent = json_bool(json_field(spec.value, "persistent")) == false;
  }
  return input;
}

std::vector<ExportedInput> inputs_of_tables(Json signature) {
  std::vector<ExportedInput> inputs;
  for (const NamedKind& table : kTables) {
    const auto fields = json_object(json_field(signature, table.key));
    if (!fields) continue;
    for (const auto field : *fields) {
      const auto path = json_text(field.value);
      if (path) inputs.push_back({table.kind, field.key, *path});
    }
  }
  if (const auto names = json_array(json_field(signature, "user_inputs"))) {
    for (const Json name : *names) {
      inputs.push_back({Kind::kUser, json_text(name).value_or(""), {}});
    }
  }
  return inputs;
}

/// Whether torch finds in each node of a tree what it looks for: {"type", "context", "children_spec"}.
bool is_tree(Json root) {
  std::vector<Json> open = {root};
  while (!open.empty()) {
    const Json node = open.back();
    open.pop_back();
    const auto type = json_field(node, "type");
    const auto children = json_array(json_field(node, "children_spec"));
    const bool known = type && (type->is_null() || type->is_string());
    if (!known || !json_field(node, "context") || !children) return false;
    open.insert(open.end(), children->begin(), children->end());
  }
  return true;
}

}  // namespace

std::optional<Error> unreadable_call_tree(Json graph_module, const Limits& limits) {
  constexpr std::int64_t kProtocol = 1;
  const auto modules = json_array(json_field(graph_module, "module_call_graph"));
  if (!modules) return std::nullopt;
  for (const Json module : *modules) {
    const auto signature = json_field(module, "signature");
    const auto path = json_text(json_field(module, "fqn"));
    if (path == "" && !json_object(signature)) {
      return Error{ErrorCode::kArchiveRefused, 0, "the program does not say how it is called"};
    }
    for (const char* key : {"in_spec", "out_spec"}) {
      const auto text = json_text(json_field(signature, key));
      if (!text || text->empty()) continue;
      const auto tree = JsonDocument::parse(*text, limits);
      const auto parts = tree ? json_array(tree->root()) : std::nullopt;
      if (parts && parts->size() == 2 && json_integer(parts->at(0)) == kProtocol &&
          is_tree(parts->at(1))) {
        continue;
      }
      return Error{ErrorCode::kArchiveRefused, 0,
                   "the " + std::string(key) + " of the module `" +
                       std::string(path.value_or("")) +
                       "` is no tree of protocol " + std::to_string(kProtocol) + ": " +
                       std::string(text->substr(0, 40))};
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> exported_argument_name(std::optional<Json> argument) {
  const auto tagged = json_union(argument);
  if (!tagged) return std::nullopt;
  const auto name = json_text(json_field(tagged->value, "name"));
  return name ? name : json_text(json_field(tagged->value, "as_name"));
}

Result<std::vector<ExportedInput>> exported_inputs(Json signature) {
  const auto specs = json_array(json_field(signature, "input_specs"));
  if (!specs) {
    if (json_array(json_field(signature, "user_inputs"))) return inputs_of_tables(signature);
    return fail(ErrorCode::kExportedBadProgram, 0, "it has no inputs");
  }
  std::vector<ExportedInput> inputs;
  for (const Json spec : *specs) {
    const auto kind = json_union(spec);
    if (!kind) return fail(ErrorCode::kExportedBadProgram, 0, "an input is of no kind");
    inputs.push_back(input_of(*kind));
  }
  return inputs;
}

std::vector<std::optional<std::string_view>> exported_buffer_writes(Json signature, Json graph) {
  std::vector<std::optional<std::string_view>> writes;
  if (const auto specs = json_array(json_field(signature, "output_specs"))) {
    for (const Json spec : *specs) {
      const auto kind = json_union(spec);
      writes.push_back(kind ? json_text(json_field(kind->value, "buffer_name"))
                            : std::optional<std::string_view>());
    }
    return writes;
  }
  const auto table = json_object(json_field(signature, "buffers_to_mutate"));
  const auto outputs = json_array(json_field(graph, "outputs"));
  if (!table || !outputs) return writes;
  std::unordered_map<std::string_view, std::string_view> paths;
  for (const auto field : *table) {
    if (const auto path = json_text(field.value)) paths.emplace(field.key, *path);
  }
  for (const Json output : *outputs) {
    const auto at = paths.find(exported_argument_name(output).value_or(""));
    writes.push_back(at == paths.end() ? std::optional<std::string_view>() : at->second);
  }
  return writes;
}

}  // namespace torchvet
