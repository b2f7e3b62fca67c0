#include "report/graph_dump.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "core/escape.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;

std::string_view name_of(ValueType type) {
  switch (type) {
    case ValueType::kOther:
      return "other";
    case ValueType::kTensor:
      return "tensor";
    case ValueType::kNone:
      return "none";
    case ValueType::kBool:
      return "bool";
    case ValueType::kInt:
      return "int";
    case ValueType::kFloat:
      return "float";
    case ValueType::kString:
      return "str";
    case ValueType::kDevice:
      return "device";
    case ValueType::kList:
      return "list";
    case ValueType::kTuple:
      return "tuple";
    case ValueType::kModule:
      return "module";
    case ValueType::kObject:
      return "object";
  }
  return "other";
}

struct LiteralText {
  std::string operator()(Literal::None) const { return "None"; }
  std::string operator()(bool value) const { return value ? "True" : "False"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return fmt::format("{}", value); }
  std::string operator()(const std::string& value) const { return "'" + escape_text(value) + "'"; }
  std::string operator()(const Literal::Device& value) const {
    return "device('" + escape_text(value.name) + "')";
  }
  std::string operator()(Literal::Constant value) const {
    return "CONSTANTS[" + std::to_string(value.index) + "]";
  }
  std::string operator()(const std::vector<bool>& values) const {
    std::vector<std::string_view> texts;
    for (const bool value : values) texts.push_back(value ? "True" : "False");
    return fmt::format("[{}]", fmt::join(texts, ", "));
  }
  template <typename T>
  std::string operator()(const std::vector<T>& values) const {
    return fmt::format("[{}]", fmt::join(values, ", "));
  }
};

struct LiteralJson {
  Json operator()(Literal::None) const { return nullptr; }
  /// JSON has no infinities: they are texts.
  Json operator()(double value) const {
    return std::isfinite(value) ? Json(value) : Json(fmt::format("{}", value));
  }
  Json operator()(const std::string& value) const { return to_utf8(value); }
  Json operator()(const Literal::Device& value) const { return {{"device", to_utf8(value.name)}}; }
  Json operator()(Literal::Constant value) const { return {{"constant", value.index}}; }
  Json operator()(const std::vector<double>& values) const {
    Json out = Json::array();
    for (const double value : values) out.push_back((*this)(value));
    return out;
  }
  template <typename T>
  Json operator()(const T& value) const {
    return value;
  }
};

std::string declaration(const Value& value) {
  return fmt::format("{}: {}", escape_text(value.name), name_of(value.type));
}

template <typename Render>
std::string list_of(const Graph& graph, const std::vector<ValueId>& ids, Render render) {
  std::vector<std::string> texts;
  for (const ValueId id : ids) texts.push_back(render(graph.values[id]));
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// "  # layers.0.fc, net.py:23": the module and the author's line, as far as they are known.
std::string place_of(const Node& node) {
  std::string place = escape_text(node.module_path);
  if (const SourceLine* frame = user_frame(node)) {
    const std::string_view file = frame->file;
    const std::size_t slash = file.rfind('/');
    place += fmt::format(
        "{}{}:{}", place.empty() ? "" : ", ",
        escape_text(slash == std::string_view::npos ? file : file.substr(slash + 1)), frame->line);
  }
  return place.empty() ? place : "  # " + place;
}

std::string node_text(const Graph& graph, const Node& node) {
  std::vector<std::string> inputs;
  for (const NodeInput& input : node.inputs) {
    const std::string value = value_text(graph.values[input.value]);
    inputs.push_back(input.argument.empty() ? value : escape_text(input.argument) + "=" + value);
  }
  const std::string outputs = list_of(graph, node.outputs, declaration);
  return fmt::format("{}{}{}{}({}){}", outputs, outputs.empty() ? "" : " = ", escape_text(node.op),
                     node.overload.empty() ? "" : "." + escape_text(node.overload),
                     fmt::join(inputs, ", "), place_of(node));
}

/// A place in the walk over the blocks: the next node of a block.
struct Position {
  BlockId block = 0;
  std::size_t next = 0;
  std::size_t depth = 1;
};

Json ids(const std::vector<std::uint32_t>& values) { return Json(values); }

Json value_json(const Value& value) {
  Json out = {{"name", to_utf8(value.name)}, {"type", name_of(value.type)}};
  if (value.shape) out["shape"] = *value.shape;
  if (value.literal) out["literal"] = std::visit(LiteralJson{}, value.literal->value);
  if (value.attribute) out["attribute"] = to_utf8(*value.attribute);
  if (value.user_input) out["user_input"] = true;
  return out;
}

Json node_json(const Node& node) {
  Json inputs = Json::array();
  for (const NodeInput& input : node.inputs) {
    inputs.push_back({{"argument", to_utf8(input.argument)}, {"value", input.value}});
  }
  Json out = {{"op", to_utf8(node.op)},
              {"overload", to_utf8(node.overload)},
              {"module", to_utf8(node.module_path)},
              {"block", node.block},
              {"inputs", std::move(inputs)},
              {"outputs", ids(node.outputs)}};
  if (!node.blocks.empty()) out["blocks"] = ids(node.blocks);
  Json frames = Json::array();
  for (const SourceLine& frame : node.frames) {
    frames.push_back({{"file", to_utf8(frame.file)},
                      {"line", frame.line},
                      {"function", to_utf8(frame.function)}});
  }
  out["frames"] = std::move(frames);
  return out;
}

}  // namespace

std::string value_text(const Value& value) {
  if (value.literal) return std::visit(LiteralText{}, value.literal->value);
  if (value.attribute) return "@" + escape_text(*value.attribute);
  return escape_text(value.name);
}

std::string graph_text(const Graph& graph) {
  std::vector<ValueId> inputs;
  for (const ValueId id : graph.blocks[0].parameters) {
    if (graph.values[id].user_input) inputs.push_back(id);
  }
  std::string out =
      fmt::format("graph {}({})\n", escape_text(graph.method), list_of(graph, inputs, declaration));
  std::vector<Position> stack = {{}};
  while (!stack.empty()) {
    Position& top = stack.back();
    const Block& block = graph.blocks[top.block];
    const std::string indent(2 * top.depth, ' ');
    if (top.next == 0 && top.depth > 1) {
      out += fmt::format("{}block({})\n", indent.substr(2),
                         list_of(graph, block.parameters, declaration));
    }
    if (top.next == block.nodes.size()) {
      out += fmt::format("{}{} {}\n", indent, top.depth == 1 ? "return" : "yield",
                         list_of(graph, block.results, value_text));
      stack.pop_back();
      continue;
    }
    const Node& node = graph.nodes[block.nodes[top.next++]];
    const std::size_t depth = top.depth + 2;
    out += indent + node_text(graph, node) + "\n";
    for (auto inner = node.blocks.rbegin(); inner != node.blocks.rend(); ++inner) {
      stack.push_back({*inner, 0, depth});
    }
  }
  return out;
}

nlohmann::ordered_json graph_json(const Graph& graph) {
  Json values = Json::array();
  for (const Value& value : graph.values) values.push_back(value_json(value));
  Json nodes = Json::array();
  for (const Node& node : graph.nodes) nodes.push_back(node_json(node));
  Json blocks = Json::array();
  for (const Block& block : graph.blocks) {
    blocks.push_back({{"parameters", ids(block.parameters)},
                      {"nodes", ids(block.nodes)},
                      {"results", ids(block.results)}});
  }
  return {{"method", to_utf8(graph.method)},
          {"values", std::move(values)},
          {"nodes", std::move(nodes)},
          {"blocks", std::move(blocks)}};
}

}  // namespace torchvet
