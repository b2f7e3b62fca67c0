#include "report/graph_dump.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
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

/// "y: tensor[2, ?]": with its sizes where the program states them.
std::string declaration(const Value& value) {
  std::string text = fmt::format("{}: {}", escape_text(value.name), name_of(value.type));
  if (!value.shape) return text;
  std::vector<std::string> sizes;
  for (const std::int64_t size : *value.shape) {
    sizes.push_back(size < 0 ? "?" : std::to_string(size));
  }
  return text + fmt::format("[{}]", fmt::join(sizes, ", "));
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

/// What feeds a slot, from near to far: "uniform_(-0.25, 0.25) <- empty([4, 16])", "@fc.weight".
/// The chain follows one way back; the other ends are listed after it.
std::string origin_text(const Origin& origin) {
  const std::vector<std::string>& paths = origin.attributes;
  const auto is_path = [&](const std::string& step) {
    return std::find(paths.begin(), paths.end(), step) != paths.end();
  };
  std::vector<std::string> parts;
  for (const std::string& step : origin.chain) {
    parts.push_back((is_path(step) ? "@" : "") + escape_text(step));
  }
  std::vector<std::string> ends;
  const auto add = [&](std::string end) {
    if (std::find(parts.begin(), parts.end(), end) == parts.end()) ends.push_back(std::move(end));
  };
  for (const std::string& path : paths) add("@" + escape_text(path));
  for (const std::uint32_t index : origin.constants) add(LiteralText{}(Literal::Constant{index}));
  if (origin.any(kFromInput)) add("an input");
  if (origin.any(kFromUnknown)) add("something that is not followed");
  if (!ends.empty()) parts.push_back(fmt::format("{}", fmt::join(ends, ", ")));
  return fmt::format("{}", fmt::join(parts, " <- "));
}

/// Slots of a node in the order of its facts.
using SlotsOfNodes = std::multimap<NodeId, const WeightSlot*>;

SlotsOfNodes slots_of(const Graph& graph) {
  SlotsOfNodes slots;
  for (const WeightSlot& slot : graph.facts.weight_slots) slots.emplace(slot.node, &slot);
  return slots;
}

/// True when the arguments of the node already say what feeds the slot.
bool stated(const Graph& graph, const Node& node, const WeightSlot& slot) {
  for (const NodeInput& input : node.inputs) {
    if (input.argument != slot.argument) continue;
    const Value& value = graph.values[input.value];
    return value.attribute || value.literal;
  }
  return false;
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

Json slot_json(const WeightSlot& slot) {
  constexpr std::pair<OriginLeaf, std::string_view> kLeaves[] = {
      {kFromParameter, "parameter"},
      {kFromBuffer, "buffer"},
      {kFromTensorAttribute, "tensor attribute"},
      {kFromConstant, "constant"},
      {kFromInput, "input"},
      {kFromRandom, "random"},
      {kFromUninitialised, "uninitialised"},
      {kFromDeterministic, "deterministic"},
      {kFromUnknown, "unknown"}};
  Json from = Json::array();
  for (const auto& [leaf, name] : kLeaves) {
    if (slot.origin.any(leaf)) from.push_back(name);
  }
  Json attributes = Json::array();
  for (const std::string& path : slot.origin.attributes) attributes.push_back(to_utf8(path));
  return {{"argument", to_utf8(slot.argument)},
          {"certain", slot.certain},
          {"from", std::move(from)},
          {"attributes", std::move(attributes)},
          {"constants", ids(slot.origin.constants)},
          {"text", to_utf8(origin_text(slot.origin))}};
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
  const SlotsOfNodes slots = slots_of(graph);
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
    const NodeId id = block.nodes[top.next++];
    const Node& node = graph.nodes[id];
    const std::size_t depth = top.depth + 2;
    out += indent + node_text(graph, node) + "\n";
    const auto [first, last] = slots.equal_range(id);
    for (auto slot = first; slot != last; ++slot) {
      if (stated(graph, node, *slot->second)) continue;
      out += fmt::format("{}    {} <- {}\n", indent, escape_text(slot->second->argument),
                         origin_text(slot->second->origin));
    }
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
  const SlotsOfNodes slots = slots_of(graph);
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    nodes.push_back(node_json(graph.nodes[id]));
    const auto [first, last] = slots.equal_range(id);
    for (auto slot = first; slot != last; ++slot) {
      nodes.back()["slots"].push_back(slot_json(*slot->second));
    }
  }
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
