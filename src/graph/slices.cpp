#include "graph/slices.h"

#include <algorithm>
#include <optional>

#include "graph/op_table.h"

namespace torchvet {
namespace {

bool is_view(OpClass op) { return op == OpClass::kView || op == OpClass::kPartialView; }

bool writes_in_place(OpClass op) {
  return op == OpClass::kWrite || op == OpClass::kRandomWrite || op == OpClass::kFill;
}

/// Made of nothing but shapes, or of no input at all.
bool takes_no_numbers(OpClass op) {
  return op == OpClass::kShapeOnly || op == OpClass::kRandom || op == OpClass::kUninitialised;
}

}  // namespace

bool cuts_gradient(const Node& node) {
  return node.op == "aten::detach" || node.op == "aten::detach_" || node.op == "prim::data";
}

Slices::Slices(const Graph& graph)
    : graph_(graph), roots_(graph.values.size()), positions_(graph.values.size()) {
  for (ValueId id = 0; id < roots_.size(); ++id) roots_[id] = id;
  for (const Node& node : graph.nodes) {
    for (std::uint32_t i = 0; i < node.outputs.size(); ++i) positions_[node.outputs[i]] = i;
  }
  for (const Block& block : graph.blocks) {
    for (std::uint32_t i = 0; i < block.parameters.size(); ++i) positions_[block.parameters[i]] = i;
  }
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const Node& node = graph.nodes[id];
    if (node.inputs.empty() || !node.blocks.empty()) continue;
    const OpClass op = class_of(node);
    const ValueId base = roots_[node.inputs[0].value];
    if (writes_in_place(op)) writers_[base].push_back(id);
    if (!is_view(op) && !writes_in_place(op)) continue;
    for (const ValueId output : node.outputs) roots_[output] = base;
  }
}

std::vector<ValueId> Slices::results() const {
  std::vector<ValueId> all = graph_.blocks[0].results;
  for (const Node& node : graph_.nodes) {
    if (node.op == "prim::SetAttr" && node.inputs.size() > 1) all.push_back(node.inputs[1].value);
  }
  for (const auto& [root, writers] : writers_) {
    if (graph_.values[root].attribute || graph_.values[root].user_input) all.push_back(root);
  }
  return all;
}

/// `(a, b)[1]` is made of b alone: without this, arithmetic on the shape in a tuple would seem to
/// depend on the tensor beside it.
bool Slices::push_element(const Node& node, std::size_t output, std::vector<ValueId>& out) const {
  const OpClass op = class_of(node);
  if ((op != OpClass::kUnpack && op != OpClass::kElement) || node.inputs.empty()) return false;
  const Value& packed = graph_.values[node.inputs[0].value];
  if (!packed.producer) return false;
  const Node& pack = graph_.nodes[*packed.producer];
  if (class_of(pack) != OpClass::kPack || writers_.contains(roots_[node.inputs[0].value])) {
    return false;
  }
  std::int64_t index = static_cast<std::int64_t>(output);
  if (op == OpClass::kElement) {
    if (node.inputs.size() < 2 || node.op == "prim::TupleSlice") return false;
    const std::optional<Literal>& literal = graph_.values[node.inputs[1].value].literal;
    const std::int64_t* at = literal ? std::get_if<std::int64_t>(&literal->value) : nullptr;
    if (at == nullptr) return false;
    index = *at < 0 ? *at + static_cast<std::int64_t>(pack.inputs.size()) : *at;
  }
  if (index < 0 || index >= static_cast<std::int64_t>(pack.inputs.size())) return false;
  out.push_back(pack.inputs[static_cast<std::size_t>(index)].value);
  return true;
}

void Slices::push_block_sources(const Node& node, std::size_t output, Way way,
                                std::vector<ValueId>& out) const {
  const LoopShape* loop = loop_shape_of(node);
  const std::size_t skipped = loop != nullptr ? loop->results : 0;
  for (const BlockId block : node.blocks) {
    const std::vector<ValueId>& results = graph_.blocks[block].results;
    if (output + skipped < results.size()) out.push_back(results[output + skipped]);
  }
  const std::size_t first = loop != nullptr ? loop->inputs : 0;
  if (loop != nullptr && output + first < node.inputs.size()) {
    out.push_back(node.inputs[output + first].value);
  }
  if (way == Way::kNumbers && !node.inputs.empty()) out.push_back(node.inputs[0].value);
}

/// A block's parameter: what its operator is given, and what a loop hands on.
void Slices::push_parameter_sources(ValueId id, std::vector<ValueId>& out) const {
  const Block& block = graph_.blocks[*graph_.values[id].owner];
  const Node& node = graph_.nodes[*block.node];
  std::size_t index = positions_[id];
  const LoopShape* loop = loop_shape_of(node);
  if (loop == nullptr) {
    if (index < node.inputs.size()) out.push_back(node.inputs[index].value);
    return;
  }
  if (index < loop->parameters) return;  // the number of the turn
  index -= loop->parameters;
  if (index + loop->inputs < node.inputs.size()) {
    out.push_back(node.inputs[index + loop->inputs].value);
  }
  const std::vector<ValueId>& results = graph_.blocks[node.blocks[loop->body]].results;
  if (index + loop->results < results.size()) out.push_back(results[index + loop->results]);
}

void Slices::push_sources(ValueId id, Way way, std::vector<ValueId>& out, bool& plain) const {
  const Value& value = graph_.values[id];
  plain = false;
  if (value.owner && graph_.blocks[*value.owner].node) return push_parameter_sources(id, out);
  if (!value.producer) return;
  const Node& node = graph_.nodes[*value.producer];
  if (way != Way::kNumbers && cuts_gradient(node)) return;
  if (way == Way::kGradient && node.no_grad) {
    // Numbers changed in place under no_grad, as when weights are rescaled, stay what they are a
    // gradient of.
    if (writes_in_place(class_of(node)) && !node.inputs.empty()) {
      out.push_back(node.inputs[0].value);
    }
    return;
  }
  const std::size_t output = positions_[id];
  if (!node.blocks.empty()) return push_block_sources(node, output, way, out);
  if (push_element(node, output, out)) return;
  plain = true;
  const OpClass op = class_of(node);
  if (takes_no_numbers(op)) return;
  for (const NodeInput& input : node.inputs) {
    if (op == OpClass::kDeterministic && input.argument != "fill_value") continue;
    out.push_back(input.value);
  }
}

std::vector<bool> Slices::behind(const std::vector<ValueId>& from, Way way) const {
  std::vector<bool> reached(graph_.values.size());
  std::vector<bool> node_done(graph_.nodes.size()), root_done(graph_.values.size());
  std::vector<ValueId> left = from;
  std::vector<ValueId> sources;
  while (!left.empty()) {
    const ValueId id = left.back();
    left.pop_back();
    if (reached[id]) continue;
    reached[id] = true;
    const std::optional<NodeId>& producer = graph_.values[id].producer;
    if (!producer || !node_done[*producer]) {
      sources.clear();
      bool plain = false;
      push_sources(id, way, sources, plain);
      if (plain) node_done[*producer] = true;
      left.insert(left.end(), sources.begin(), sources.end());
    }
    const auto writers = writers_.find(roots_[id]);
    if (writers == writers_.end() || root_done[roots_[id]]) continue;
    root_done[roots_[id]] = true;
    for (const NodeId writer : writers->second) {
      const Node& node = graph_.nodes[writer];
      if (way == Way::kGradient && node.no_grad) continue;
      for (std::size_t i = 1; i < node.inputs.size(); ++i) left.push_back(node.inputs[i].value);
    }
  }
  return reached;
}

std::vector<bool> Slices::ahead_of(const std::vector<ValueId>& from) const {
  // Nodes stand in order of execution, so one pass settles all but loops and late writes.
  constexpr int kMostPasses = 16;
  std::vector<bool> reached(graph_.values.size());
  for (const ValueId id : from) reached[id] = true;
  std::vector<ValueId> sources;
  const auto any_reached = [&] {
    return std::any_of(sources.begin(), sources.end(), [&](ValueId id) { return reached[id]; });
  };
  bool changed = true;
  const auto mark = [&](ValueId id) {
    if (reached[id]) return;
    reached[id] = true;
    changed = true;
  };
  const auto settle = [&](ValueId id) {
    sources.clear();
    bool plain = false;
    push_sources(id, Way::kNumbers, sources, plain);
    if (any_reached() || (writers_.contains(roots_[id]) && reached[roots_[id]])) mark(id);
    return plain;
  };
  for (int pass = 0; changed && pass < kMostPasses; ++pass) {
    changed = false;
    for (const Node& node : graph_.nodes) {
      for (const BlockId block : node.blocks) {
        for (const ValueId parameter : graph_.blocks[block].parameters) settle(parameter);
      }
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (!settle(node.outputs[i])) continue;
        if (reached[node.outputs[i]]) {
          for (const ValueId output : node.outputs) mark(output);
        }
        break;  // the others are made of the same
      }
    }
    for (const auto& [root, writers] : writers_) {
      for (const NodeId writer : writers) {
        const std::vector<NodeInput>& inputs = graph_.nodes[writer].inputs;
        const bool written = std::any_of(inputs.begin() + 1, inputs.end(), [&](const NodeInput& i) {
          return reached[i.value];
        });
        if (written) mark(root);
      }
    }
  }
  return reached;
}

}  // namespace torchvet
