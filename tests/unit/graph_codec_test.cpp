#include "graph/graph_codec.h"

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph_words.h"
#include "unit/catch.h"

namespace torchvet {
namespace {

Value value(std::string name, ValueType type) {
  Value made;
  made.name = std::move(name);
  made.type = type;
  return made;
}

/// forward(x): if flag: y = linear(x, fc.weight) else: y = x
LoweredGraph small_graph() {
  LoweredGraph out;
  Graph& graph = out.graph;
  graph.method = "forward";
  graph.values = {value("self", ValueType::kModule), value("x", ValueType::kTensor),
                  value("flag", ValueType::kBool),   value("weight", ValueType::kTensor),
                  value("y.1", ValueType::kTensor),  value("y", ValueType::kTensor),
                  value("sizes", ValueType::kList)};
  graph.values[0].attribute = "";
  graph.values[1].user_input = true;
  graph.values[1].shape = {2, -1};
  graph.values[2].literal = Literal{true};
  graph.values[3].attribute = "fc.weight";
  graph.values[6].literal = Literal{std::vector<std::int64_t>{1, -2}};
  Node branch;
  branch.op = "prim::If";
  branch.inputs = {{"", 2}};
  branch.outputs = {5};
  branch.blocks = {1, 2};
  Node linear;
  linear.op = "aten::linear";
  linear.module_path = "fc";
  linear.inputs = {{"input", 1}, {"weight", 3}};
  linear.outputs = {4};
  graph.nodes = {branch, linear};
  graph.blocks.resize(3);
  graph.blocks[0] = {{0, 1}, {0}, {5}, std::nullopt};
  graph.blocks[1] = {{}, {1}, {4}, 0};
  graph.blocks[2] = {{}, {}, {1}, 0};
  out.ranges = {{0, 10, 20}, {0, 30, 45}};
  out.calls = {InlinedCall::kNoCall, 0};
  out.inlined = {{InlinedCall::kNoCall, {0, 12, 18}}};
  return out;
}

std::string small_reply() { return encode_reply({"2.13.0", {small_graph()}, {{"extra", "no"}}}); }

Result<LoweredGraph> decode_words(const std::vector<std::uint32_t>& words,
                                  const std::vector<std::string>& texts) {
  const std::string_view bytes(reinterpret_cast<const char*>(words.data()), words.size() * 4);
  return graph_from_words(bytes, texts, {1, 0, 100});
}

}  // namespace

TEST_CASE("A reply survives the wire") {
  const Result<GraphReply> reply = decode_reply(small_reply(), 1, 0, {});
  REQUIRE(reply);
  CHECK(reply->libtorch == "2.13.0");
  REQUIRE(reply->refusals.size() == 1);
  CHECK(reply->refusals[0].method == "extra");
  REQUIRE(reply->graphs.size() == 1);
  const LoweredGraph& lowered = reply->graphs[0];
  const Graph& graph = lowered.graph;
  CHECK(graph.method == "forward");
  REQUIRE(graph.values.size() == 7);
  CHECK(graph.values[1].shape == std::vector<std::int64_t>{2, -1});
  CHECK(graph.values[1].user_input);
  CHECK(std::get<bool>(graph.values[2].literal->value));
  CHECK(graph.values[3].attribute == "fc.weight");
  CHECK(graph.values[4].producer == 1u);
  CHECK(graph.values[0].owner == 0u);
  CHECK(std::get<std::vector<std::int64_t>>(graph.values[6].literal->value)[1] == -2);
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[1].inputs[1].argument == "weight");
  CHECK(graph.nodes[1].block == 1);
  CHECK(graph.blocks[2].node == 0u);
  CHECK(lowered.ranges[1].start == 30);
  CHECK(lowered.calls[1] == 0);
  CHECK(lowered.inlined[0].where.end == 18);
}

TEST_CASE("A request survives the wire, whatever bytes its texts hold") {
  GraphRequest request;
  request.code = {{"__torch__/net.py", "class \xff\x00 Net"}};
  request.modules = {{"layer", "__torch__.net.Layer"}};
  request.root_class = "__torch__.net.Net";
  request.version = 10;
  request.constants = {"", "__torch__.torch.classes.quantized.Conv2dPackedParamsBase"};
  request.max_nodes = 7;
  request.cpu_seconds = 9;
  const Result<GraphRequest> back = decode_request(encode_request(request));
  REQUIRE(back);
  CHECK(back->code[0].text == request.code[0].text);
  CHECK(back->root_class == request.root_class);
  CHECK(back->version == 10);
  CHECK(back->constants == request.constants);
  REQUIRE(back->modules.size() == 1);
  CHECK(back->modules[0].path == "layer");
  CHECK(back->modules[0].class_name == "__torch__.net.Layer");
  CHECK(back->max_nodes == 7);
  CHECK(back->cpu_seconds == 9);
}

TEST_CASE("A reply that is cut or changed anywhere is refused or sound") {
  const std::string good = small_reply();
  for (std::size_t length = 0; length < good.size(); ++length) {
    CHECK_FALSE(decode_reply(good.substr(0, length), 1, 0, {}));
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int change : {1, 0x10, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      const Result<GraphReply> reply = decode_reply(bytes, 1, 0, {});
      if (!reply) continue;
      for (const LoweredGraph& lowered : reply->graphs) {
        const Graph& graph = lowered.graph;
        for (const Node& node : graph.nodes) {
          CHECK(node.block < graph.blocks.size());
          for (const NodeInput& input : node.inputs) CHECK(input.value < graph.values.size());
        }
        for (const CodeRange& range : lowered.ranges) {
          CHECK((range.file == CodeRange::kNoFile || range.file < 1));
        }
      }
    }
  }
}

TEST_CASE("A reply of nested lists does not exhaust the stack") {
  CHECK_FALSE(decode_reply(std::string(1 << 20, '\x81'), 1, 0, {}));
}

TEST_CASE("A graph larger than the limit is refused") {
  Limits limits;
  limits.graph_nodes = 1;
  const Result<GraphReply> reply = decode_reply(small_reply(), 1, 0, limits);
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kLimitExceeded);
}

TEST_CASE("Each way in which a graph can contradict itself is named") {
  const std::vector<std::string> texts = {"", "op"};
  const auto why = [&](const std::vector<std::uint32_t>& words) {
    const Result<LoweredGraph> graph = decode_words(words, texts);
    return graph ? std::string("accepted") : graph.error().detail;
  };
  // counts: values, nodes, blocks, calls; then the records as in graph_words.cpp
  CHECK(why({0, 0, 1, 0, 0, 0, 0}) == "accepted");
  CHECK(why({0, 0, 0, 0}).ends_with("no block"));
  CHECK(why({}).ends_with("ends early"));
  CHECK(why({0, 0, 1, 0, 0, 0, 0, 7}).ends_with("goes on after its end"));
  CHECK(why({1u << 31, 0, 1, 0, 0, 0, 0}).ends_with("a count is larger than the message"));
  CHECK(why({1, 0, 1, 0, 9, 0, 0, 0, 0, 0}).ends_with("a text that is not there"));
  CHECK(why({1, 0, 1, 0, 0, 99, 0, 0, 0, 0}).ends_with("a type that is not there"));
  CHECK(why({1, 0, 1, 0, 0, 0, 64, 0, 0, 0}).ends_with("an unknown flag"));
  CHECK(why({0, 0, 1, 0, 1, 5, 0, 0}).ends_with("a value that is not there"));
  CHECK(why({0, 0, 2, 0, 0, 0, 0, 0, 0, 0}).ends_with("blocks that are no tree"));

  // one value; a node without blocks; block 0
  const std::vector<std::uint32_t> node = {1, 0, 0, UINT32_MAX, 0, 0, UINT32_MAX, 0, 1, 0, 0};
  const auto with_node = [&](std::vector<std::uint32_t> block) {
    std::vector<std::uint32_t> words = {1, 1, 1, 0, 0, 0, 0};
    words.insert(words.end(), node.begin(), node.end());
    words.insert(words.end(), block.begin(), block.end());
    return why(words);
  };
  CHECK(with_node({0, 1, 0, 1, 0}) == "accepted");
  CHECK(with_node({0, 0, 0}).ends_with("a node outside of all blocks"));
  CHECK(with_node({0, 2, 0, 0, 0}).ends_with("a node in two blocks"));
  CHECK(with_node({1, 0, 1, 0, 0}).ends_with("a parameter that something else makes"));
}

}  // namespace torchvet
