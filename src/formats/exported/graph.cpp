// A torch.export program is SSA in JSON: each node names its operator, its arguments by the names
// of the schema, and the values it defines; a table says what each value is. Lowering is a walk in
// order with one name table for each (sub) graph:
//
//   {"target": "torch.ops.aten.linear.default",
//    "inputs": [{"name": "input", "arg": {"as_tensor": {"name": "x"}}}, ...],
//    "outputs": [{"as_tensor": {"name": "linear"}}]}
//
// Sub graphs are closed: everything that they read is passed to them. Their placeholders are simply
// bound to the values passed, so a block reads the values of the graph around it, as in
// TorchScript, and only what a loop carries from one turn to the next is a parameter of its block.
#include "formats/exported/graph.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/exported/builder.h"
#include "formats/exported/signature.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostNested = 64;
constexpr std::string_view kHigherOrder = "higher_order::";

/// Operators whose one sub graph runs once, where they stand.
constexpr std::array<std::string_view, 7> kInPlace = {"wrap_with_set_grad_enabled",
                                                      "wrap_with_autocast",
                                                      "tag_activation_checkpoint",
                                                      "strict_mode",
                                                      "invoke_subgraph",
                                                      "hints_wrapper",
                                                      "wrap"};

/// The two kinds of arguments of a higher-order operator.
struct Operands {
  std::vector<Json> graphs;
  std::vector<ValueId> values;       ///< lists are opened
  std::vector<std::size_t> lengths;  ///< of the lists, in order
  std::optional<bool> first_flag;
};

class Lowering {
 public:
  Lowering(const ExportedNames& names, const ConstantIndex& constants, const Limits& limits)
      : root_(names.root), constants_(constants), builder_(graph_, limits) {
    graph_.method = names.method;
    graph_.blocks.emplace_back();
  }

  Result<Graph> run(Json graph_module) {
    const auto graph = json_field(graph_module, "graph");
    const auto signature = json_field(graph_module, "signature");
    if (!graph || !signature) return ExportedBuilder::bad("it has no graph or no signature");
    ExportedScope scope;
    ExportedBuilder::read_tensor_values(*graph, scope);
    if (Result<void> ok = bind_inputs(*graph, *signature, scope); !ok) return failed(ok);
    if (Result<void> ok = lower_nodes(*graph, scope, 0); !ok) return failed(ok);
    if (Result<void> ok = read_outputs(*graph, *signature, scope); !ok) return failed(ok);
    return std::move(graph_);
  }

 private:
  template <typename T>
  static tl::unexpected<Error> failed(const Result<T>& result) {
    return tl::unexpected<Error>(result.error());
  }

  // --- Inputs and outputs ------------------------------------------------------------------------

  Result<void> bind_inputs(Json graph, Json signature, ExportedScope& scope) {
    const Result<std::vector<ExportedInput>> specified = exported_inputs(signature);
    if (!specified) return failed(specified);
    const auto inputs = json_array(json_field(graph, "inputs"));
    if (!inputs) return ExportedBuilder::bad("it has no inputs");
    for (const ExportedInput& input : *specified) bind_input(input, scope);
    for (const Json input : *inputs) {  // those that no signature names
      const auto tagged = json_union(input);
      const auto name =
          tagged ? json_text(json_field(tagged->value, "name")) : std::optional<std::string_view>();
      if (name && !scope.values.contains(*name)) builder_.define(scope, *name, ValueType::kOther);
    }
    return {};
  }

  void bind_input(const ExportedInput& input, ExportedScope& scope) {
    using Kind = ExportedInput::Kind;
    if (input.name.empty()) return;
    const ValueId id = builder_.define(scope, input.name, ValueType::kOther);
    Value& value = graph_.values[id];
    if (input.kind == Kind::kUser) {
      value.user_input = true;
      value.owner = 0;
      graph_.blocks[0].parameters.push_back(id);
    } else if (input.kind == Kind::kConstant) {
      const auto at = constants_.find(std::string(input.target));
      if (at != constants_.end()) value.literal = Literal{Literal::Constant{at->second}};
    } else if (input.kind != Kind::kOther) {
      value.attribute = path_of(input.target);
      if (input.kind == Kind::kObject) value.type = ValueType::kObject;
    }
  }

  Result<void> read_outputs(Json graph, Json signature, ExportedScope& scope) {
    std::vector<ValueId> results;
    if (Result<void> ok = builder_.read_results(graph, scope, results); !ok) return ok;
    const auto writes = exported_buffer_writes(signature, graph);
    std::vector<ValueId> returned;
    for (std::size_t at = 0; at < results.size(); ++at) {
      if (at < writes.size() && writes[at]) {
        if (Result<void> ok = set_attribute(path_of(*writes[at]), results[at], scope); !ok)
          return ok;
      } else {
        returned.push_back(results[at]);
      }
    }
    graph_.blocks[0].results = std::move(returned);
    return {};
  }

  [[nodiscard]] std::string path_of(std::string_view path) const {
    if (root_.empty() || path.empty()) return root_ + std::string(path);
    return root_ + "." + std::string(path);
  }

  Result<void> set_attribute(const std::string& path, ValueId value, ExportedScope& scope) {
    const std::size_t dot = path.rfind('.');
    Value owner;
    owner.type = ValueType::kModule;
    owner.attribute = dot == std::string::npos ? std::string() : path.substr(0, dot);
    Node node;
    node.op = "prim::SetAttr";
    node.overload = dot == std::string::npos ? path : path.substr(dot + 1);
    node.inputs = {{"", builder_.new_value(std::move(owner))}, {"", value}};
    Result<NodeId> id = builder_.add_node(std::move(node), scope);
    if (!id) return failed(id);
    return {};
  }

  // --- Nodes -------------------------------------------------------------------------------------

  /// "torch.ops.aten.add.Tensor" is aten::add and its overload Tensor; "_operator.mul" is
  /// operator::mul.
  static void set_operator(std::string_view target, Node& node) {
    constexpr std::string_view kOps = "torch.ops.";
    if (target.starts_with(kOps)) {
      target.remove_prefix(kOps.size());
      const std::size_t first = target.find('.');
      const std::size_t last = target.rfind('.');
      if (first != std::string_view::npos && last != first) {
        node.overload = std::string(target.substr(last + 1));
        if (node.overload == "default") node.overload.clear();
        target = target.substr(0, last);
      }
    } else if (target.starts_with('_')) {
      target.remove_prefix(1);
    }
    const std::size_t dot = target.find('.');
    node.op = dot == std::string_view::npos
                  ? "operator::" + std::string(target)
                  : std::string(target.substr(0, dot)) + "::" + std::string(target.substr(dot + 1));
  }

  void set_place(Json node_json, Node& node) const {
    const auto metadata = json_field(node_json, "metadata");
    const auto stack =
        exported_module_stack(json_text(json_field(metadata, "nn_module_stack")).value_or(""));
    node.module_path = path_of(stack.empty() ? std::string_view() : stack.back().path);
    node.frames = exported_frames(json_text(json_field(metadata, "stack_trace")).value_or(""));
    node.made_from =
        exported_first_operator(json_text(json_field(metadata, "from_node")).value_or(""));
    if (node.made_from == node.op) node.made_from.clear();
  }

  Result<void> lower_nodes(Json graph, ExportedScope& scope, std::size_t depth) {
    const auto nodes = json_array(json_field(graph, "nodes"));
    if (!nodes) return ExportedBuilder::bad("a graph has no nodes");
    for (const Json node : *nodes) {
      if (Result<void> ok = lower_node(node, scope, depth); !ok) return ok;
    }
    return {};
  }

  Result<void> lower_node(Json json, ExportedScope& scope, std::size_t depth) {
    const auto target = json_text(json_field(json, "target"));
    const auto inputs = json_array(json_field(json, "inputs"));
    const auto outputs = json_array(json_field(json, "outputs"));
    if (!target || !inputs || !outputs)
      return ExportedBuilder::bad("a node lacks its target, inputs or outputs");
    Node node;
    set_operator(*target, node);
    set_place(json, node);
    if (node.op.starts_with(kHigherOrder)) {
      return lower_higher_order(std::move(node), *inputs, *outputs, scope, depth);
    }
    for (const Json input : *inputs) {
      const auto tagged = json_union(json_field(input, "arg"));
      if (!tagged)
        return ExportedBuilder::bad("an argument of " + std::string(*target) + " is of no kind");
      Result<ValueId> value = builder_.argument(*tagged, scope);
      if (!value) return failed(value);
      node.inputs.push_back(
          {std::string(json_text(json_field(input, "name")).value_or("")), *value});
    }
    for (const auto& [name, type] : ExportedBuilder::output_names(*outputs)) {
      node.outputs.push_back(builder_.define(scope, name, type));
    }
    Result<NodeId> id = builder_.add_node(std::move(node), scope);
    if (!id) return failed(id);
    return {};
  }

  // --- Sub graphs --------------------------------------------------------------------------------

  Result<Operands> operands_of(simdjson::dom::array inputs, ExportedScope& scope) {
    Operands operands;
    for (const Json input : inputs) {
      const auto tagged = json_union(json_field(input, "arg"));
      if (!tagged)
        return ExportedBuilder::bad("an argument of a higher-order operator is of no kind");
      const auto list = json_array(tagged->value);
      if (tagged->tag == "as_graph") {
        const auto graph = json_field(tagged->value, "graph");
        if (!graph) return ExportedBuilder::bad("a sub graph is missing");
        operands.graphs.push_back(*graph);
      } else if (list && tagged->tag == "as_tensors") {
        operands.lengths.push_back(list->size());
        for (const Json item : *list) {
          Result<ValueId> value =
              ExportedBuilder::named(scope, json_text(json_field(item, "name")));
          if (!value) return failed(value);
          operands.values.push_back(*value);
        }
      } else {
        if (operands.graphs.empty() && tagged->tag == "as_bool") {
          operands.first_flag = json_bool(tagged->value);
        }
        Result<ValueId> value = builder_.argument(*tagged, scope);
        if (!value) return failed(value);
        // What stands before the graphs steers the operator; what follows is passed on.
        if (operands.graphs.empty()) {
          steering_.push_back(*value);
        } else {
          operands.values.push_back(*value);
        }
      }
    }
    return operands;
  }

  Result<void> lower_higher_order(Node node, simdjson::dom::array inputs,
                                  simdjson::dom::array outputs, ExportedScope& scope,
                                  std::size_t depth) {
    if (depth >= kMostNested) {
      return fail(ErrorCode::kLimitExceeded, 0,
                  "sub graphs are nested deeper than " + std::to_string(kMostNested));
    }
    steering_.clear();
    Result<Operands> operands = operands_of(inputs, scope);
    if (!operands) return failed(operands);
    const std::vector<ValueId> steering = std::move(steering_);
    const std::string_view name = std::string_view(node.op).substr(kHigherOrder.size());
    const bool in_place = operands->graphs.size() == 1 &&
                          std::find(kInPlace.begin(), kInPlace.end(), name) != kInPlace.end();
    if (in_place) return put_in_place(name, *operands, outputs, scope, depth);

    const bool loop = name == "while_loop" && operands->graphs.size() == 2;
    const std::size_t carried = loop && !operands->lengths.empty() ? operands->lengths.front() : 0;
    for (const ValueId value : steering) node.inputs.push_back({"", value});
    for (const ValueId value : operands->values) node.inputs.push_back({"", value});
    for (const auto& [output, type] : ExportedBuilder::output_names(outputs)) {
      node.outputs.push_back(builder_.define(scope, output, type));
    }
    Result<NodeId> id = builder_.add_node(std::move(node), scope);
    if (!id) return failed(id);
    for (const Json graph : operands->graphs) {
      Result<BlockId> block = lower_block(graph, *id, *operands, carried, scope, depth);
      if (!block) return failed(block);
      graph_.nodes[*id].blocks.push_back(*block);
    }
    return {};
  }

  void bind_placeholders(Json graph, const Operands& operands, std::size_t carried,
                         ExportedScope& inner) {
    const std::vector<std::string_view> names = ExportedBuilder::placeholders_of(graph);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i < carried || i >= operands.values.size()) {
        const ValueId id = builder_.define(inner, names[i], ValueType::kOther);
        graph_.values[id].owner = inner.block;
        graph_.blocks[inner.block].parameters.push_back(id);
      } else {
        inner.values.insert_or_assign(names[i], operands.values[i]);
      }
    }
  }

  Result<BlockId> lower_block(Json graph, NodeId node, const Operands& operands,
                              std::size_t carried, const ExportedScope& outer, std::size_t depth) {
    const BlockId block = static_cast<BlockId>(graph_.blocks.size());
    graph_.blocks.emplace_back();
    graph_.blocks[block].node = node;
    ExportedScope inner;
    inner.block = block;
    inner.no_grad = outer.no_grad;
    ExportedBuilder::read_tensor_values(graph, inner);
    bind_placeholders(graph, operands, carried, inner);
    if (Result<void> ok = lower_nodes(graph, inner, depth + 1); !ok) return failed(ok);
    std::vector<ValueId> results;
    if (Result<void> ok = builder_.read_results(graph, inner, results); !ok) return failed(ok);
    graph_.blocks[block].results = std::move(results);
    return block;
  }

  Result<void> put_in_place(std::string_view name, const Operands& operands,
                            simdjson::dom::array outputs, ExportedScope& scope, std::size_t depth) {
    ExportedScope inner;
    inner.block = scope.block;
    inner.no_grad = scope.no_grad;
    if (name == "wrap_with_set_grad_enabled" && operands.first_flag) {
      inner.no_grad = !*operands.first_flag;
    }
    const Json graph = operands.graphs.front();
    ExportedBuilder::read_tensor_values(graph, inner);
    const std::vector<std::string_view> names = ExportedBuilder::placeholders_of(graph);
    if (names.size() > operands.values.size())
      return ExportedBuilder::bad("a sub graph is given too few values");
    for (std::size_t i = 0; i < names.size(); ++i) {
      inner.values.insert_or_assign(names[i], operands.values[i]);
    }
    if (Result<void> ok = lower_nodes(graph, inner, depth + 1); !ok) return ok;
    std::vector<ValueId> results;
    if (Result<void> ok = builder_.read_results(graph, inner, results); !ok) return ok;
    const auto defined = ExportedBuilder::output_names(outputs);
    for (std::size_t i = 0; i < defined.size(); ++i) {
      if (i < results.size()) {
        scope.values.insert_or_assign(defined[i].first, results[i]);
      } else {
        builder_.define(scope, defined[i].first, defined[i].second);
      }
    }
    return {};
  }

  const std::string& root_;
  const ConstantIndex& constants_;
  Graph graph_;
  ExportedBuilder builder_;
  std::vector<ValueId> steering_;  ///< of the higher-order operator whose operands are being read
};

}  // namespace

Result<Graph> lower_exported_graph(Json graph_module, const ExportedNames& names,
                                   const ConstantIndex& constants, const Limits& limits) {
  return Lowering(names, constants, limits).run(graph_module);
}

}  // namespace torchvet
