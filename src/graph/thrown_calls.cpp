// `x.masked_fill(mask, 0)` where `x.masked_fill_(mask, 0)` was meant.
//
// Exported programs hold many operators whose result nobody reads: sizes, masks for another case,
// what a helper computes besides. None of them is a mistake by itself. So the source line is asked
// as well: it must be a statement that consists of the call alone, and call what the operator is
// called. Such a line does nothing at all, whatever the author thought.
#include "graph/thrown_calls.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "graph/op_names.h"
#include "graph/op_table.h"
#include "model/python_text.h"

namespace torchvet {
namespace {

/// Other names by which Python knows an operator.
struct Alias {
  std::string_view op;
  std::string_view name;
};
constexpr Alias kAliases[] = {
    {"to", "cuda"},           {"to", "cpu"},          {"to", "float"},      {"to", "half"},
    {"to", "double"},         {"to", "bfloat16"},     {"to", "long"},       {"to", "int"},
    {"_to_copy", "to"},       {"_to_copy", "cuda"},   {"_to_copy", "cpu"},  {"_to_copy", "float"},
    {"_to_copy", "half"},     {"_to_copy", "double"}, {"_to_copy", "long"}, {"_to_copy", "int"},
    {"_to_copy", "bfloat16"}, {"clamp", "clip"},      {"concat", "cat"},    {"sub", "subtract"},
    {"mul", "multiply"},      {"div", "divide"},      {"abs", "absolute"},  {"neg", "negative"},
};

bool only_returns(const Node& node) {
  const OpClass op = class_of(node);
  return op == OpClass::kCompute || op == OpClass::kView || op == OpClass::kPartialView ||
         op == OpClass::kLookThrough;
}

bool names_operator(std::string_view called, std::string_view op) {
  return called == op || std::any_of(std::begin(kAliases), std::end(kAliases), [&](const Alias& a) {
           return a.op == op && a.name == called;
         });
}

}  // namespace

void find_thrown_calls(Graph& graph) {
  std::vector<bool> read(graph.values.size());
  for (const Node& node : graph.nodes) {
    for (const NodeInput& input : node.inputs) read[input.value] = true;
  }
  for (const Block& block : graph.blocks) {
    for (const ValueId result : block.results) read[result] = true;
  }
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const Node& node = graph.nodes[id];
    if (node.outputs.size() != 1 || read[node.outputs[0]] || !node.blocks.empty()) continue;
    if (graph.values[node.outputs[0]].type != ValueType::kTensor || !only_returns(node)) continue;
    const SourceLine* line = user_frame(node);
    if (line == nullptr || is_installed(line->file)) continue;
    const std::string_view called = called_in_statement(line->text);
    if (names_operator(called, short_name(node.op))) graph.facts.thrown_calls.push_back(id);
  }
}

}  // namespace torchvet
