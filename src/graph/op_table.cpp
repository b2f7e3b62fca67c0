#include "graph/op_table.h"

namespace torchvet {

bool is_conditional(std::string_view op) {
  return op == "prim::If" || op == "higher_order::cond";
}

const LoopShape* loop_shape_of(const Node& node) {
  // (trip count, condition, carried...) -> block (index, carried...) -> (condition, carried...)
  static constexpr LoopShape kScriptLoop = {.inputs = 2, .parameters = 1, .results = 1, .body = 0};
  // (carried..., more...) -> block (carried...) -> (condition), block (carried...) -> (carried...)
  static constexpr LoopShape kWhileLoop = {.body = 1};
  if (node.op == "prim::Loop" && node.blocks.size() == 1) return &kScriptLoop;
  if (node.op == "higher_order::while_loop" && node.blocks.size() == 2) return &kWhileLoop;
  return nullptr;
}

const NodeInput* input_of(const Node& node, std::string_view name, std::size_t position) {
  bool named = false;
  for (const NodeInput& input : node.inputs) {
    if (input.argument == name) return &input;
    named = named || !input.argument.empty();
  }
  return named || position >= node.inputs.size() ? nullptr : &node.inputs[position];
}

}  // namespace torchvet
