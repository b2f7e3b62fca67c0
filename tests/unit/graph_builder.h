#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Writes graphs down by hand, in order of execution.
class GraphBuilder {
 public:
  GraphBuilder() {
    graph_.method = "forward";
    graph_.blocks.emplace_back();
  }

  ValueId input(std::string name, ValueType type = ValueType::kTensor) {
    const ValueId id = value(std::move(name), type);
    graph_.values[id].user_input = true;
    graph_.blocks[0].parameters.push_back(id);
    return id;
  }
  ValueId attribute(std::string path, ValueType type = ValueType::kTensor) {
    const ValueId id = value(path, type);
    graph_.values[id].attribute = std::move(path);
    return id;
  }
  ValueId constant(std::uint32_t index) {
    return literal(Literal{Literal::Constant{index}}, ValueType::kTensor);
  }
  ValueId number(double number) { return literal(Literal{number}, ValueType::kFloat); }
  ValueId integer(std::int64_t number) { return literal(Literal{number}, ValueType::kInt); }
  ValueId flag(bool on) { return literal(Literal{on}, ValueType::kBool); }
  ValueId none() { return literal(Literal{Literal::None{}}, ValueType::kNone); }
  ValueId sizes(std::vector<std::int64_t> sizes) {
    return literal(Literal{std::move(sizes)}, ValueType::kList);
  }
  ValueId device(std::string name) {
    return literal(Literal{Literal::Device{std::move(name)}}, ValueType::kDevice);
  }

  using Arguments = std::vector<std::pair<std::string, ValueId>>;

  /// A node with one output, at the end of the open block.
  ValueId call(std::string op, const Arguments& arguments, ValueType type = ValueType::kTensor) {
    const NodeId id = node(std::move(op), arguments);
    return output(id, type);
  }
  NodeId node(std::string op, const Arguments& arguments) {
    Node made;
    made.op = std::move(op);
    for (const auto& [name, value] : arguments) made.inputs.push_back({name, value});
    made.block = open_.back();
    graph_.nodes.push_back(std::move(made));
    const NodeId id = static_cast<NodeId>(graph_.nodes.size() - 1);
    graph_.blocks[open_.back()].nodes.push_back(id);
    return id;
  }
  ValueId output(NodeId id, ValueType type = ValueType::kTensor) {
    const ValueId made = value("v" + std::to_string(graph_.values.size()), type);
    graph_.values[made].producer = id;
    graph_.nodes[id].outputs.push_back(made);
    return made;
  }

  BlockId begin_block(NodeId node) {
    const BlockId id = static_cast<BlockId>(graph_.blocks.size());
    graph_.blocks.emplace_back();
    graph_.blocks[id].node = node;
    graph_.nodes[node].blocks.push_back(id);
    open_.push_back(id);
    return id;
  }
  ValueId parameter(ValueType type = ValueType::kTensor) {
    const ValueId id = value("p" + std::to_string(graph_.values.size()), type);
    graph_.values[id].owner = open_.back();
    graph_.blocks[open_.back()].parameters.push_back(id);
    return id;
  }
  void end_block(std::vector<ValueId> results) {
    graph_.blocks[open_.back()].results = std::move(results);
    open_.pop_back();
  }
  void result(ValueId id) { graph_.blocks[0].results.push_back(id); }

  /// empty(sizes), uniform_(from, to): what nn.Linear does to its weight.
  ValueId initialised(std::vector<std::int64_t> shape, double bound = 0.25) {
    const ValueId fresh = call("aten::empty", {{"size", sizes(std::move(shape))}});
    const ValueId view = call("aten::detach", {{"self", fresh}});
    call("aten::uniform_", {{"self", view}, {"from", number(-bound)}, {"to", number(bound)}});
    return fresh;
  }

  Graph& graph() { return graph_; }

  /// An artifact with this graph alone, a root module with the named parameters and buffers, and
  /// constants of the given shapes.
  Artifact artifact(const std::vector<std::string>& parameters,
                    const std::vector<std::string>& buffers = {},
                    const std::vector<std::vector<std::int64_t>>& constants = {}) const {
    Artifact made;
    made.format = Format::kTorchScript;
    made.kind = Kind::kTorchScript;
    made.script = ScriptInfo{};
    made.script->has_training_flags = true;
    Module root;
    const auto add = [&](const std::string& name, TensorRole role) {
      Tensor tensor;
      tensor.object_path = name;
      tensor.shape = {4, 4};
      tensor.strides = {4, 1};
      tensor.device = "cpu";
      tensor.dtype = DType::kFloat32;
      tensor.role = role;
      tensor.storage = static_cast<StorageId>(made.storages.size());
      Storage storage;
      storage.key = std::to_string(made.storages.size());
      storage.location = "cpu";
      made.storages.push_back(std::move(storage));
      made.tensors.push_back(std::move(tensor));
      return static_cast<TensorId>(made.tensors.size() - 1);
    };
    for (const std::string& name : parameters) {
      root.parameters.push_back({name, add(name, TensorRole::kParameter), true});
    }
    for (const std::string& name : buffers) {
      root.buffers.push_back({name, add(name, TensorRole::kBuffer), true});
    }
    made.modules.push_back(std::move(root));
    for (std::size_t i = 0; i < constants.size(); ++i) {
      const TensorId id = add("CONSTANTS.c" + std::to_string(i), TensorRole::kConstant);
      made.tensors[id].shape = constants[i];
      made.graph_constants.push_back(id);
    }
    made.graphs.push_back(graph_);
    return made;
  }

 private:
  ValueId value(std::string name, ValueType type) {
    Value made;
    made.name = std::move(name);
    made.type = type;
    graph_.values.push_back(std::move(made));
    return static_cast<ValueId>(graph_.values.size() - 1);
  }
  ValueId literal(Literal literal, ValueType type) {
    const ValueId id = value("c" + std::to_string(graph_.values.size()), type);
    graph_.values[id].literal = std::move(literal);
    return id;
  }

  Graph graph_;
  std::vector<BlockId> open_ = {0};
};

}  // namespace torchvet
