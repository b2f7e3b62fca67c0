// Calls of one node, as torch.export.load takes them: what torch has, what a schema asks for.
#include <string>

#include "formats/exported/operators.h"
#include "unit/exported_archive.h"

using namespace torchvet;
using exported::input;
using exported::node;
using exported::tensor;

namespace {

struct Odds {
  std::string detail;
  bool refused = false;
};

Odds odds_of(const std::string& one_node, bool for_training = true) {
  const std::string text = "{\"graph\": " + exported::graph({}, {one_node}, {}) + "}";
  const auto document = JsonDocument::parse(std::string_view(text), Limits{});
  REQUIRE(document);
  const auto error = calls_at_odds(document->root(), for_training);
  if (!error) return {};
  return {error->detail, error->code == ErrorCode::kArchiveRefused};
}

/// A call with arguments of these names.
Odds call(const std::string& target, const std::vector<std::string>& names, bool for_training = true) {
  std::vector<std::string> inputs;
  for (const std::string& name : names) inputs.push_back(input(name, tensor("x")));
  return odds_of(node(target, inputs, {tensor("y")}), for_training);
}

}  // namespace

TEST_CASE("what torch has may be called, with what it asks for") {
  CHECK(call("torch.ops.aten.linear.default", {"input", "weight"}).detail.empty());
  CHECK(call("torch.ops.aten.linear.default", {"input", "weight", "bias"}).detail.empty());
  CHECK(call("torch.ops.aten.randn.default", {"size", "device", "pin_memory"}).detail.empty());
  CHECK(call("torch.ops.aten.random_.from", {"self", "from", "to"}).detail.empty());
  CHECK(call("torch.ops.aten.item.default", {"self"}).detail.empty());
  CHECK(call("torch.ops.higher_order.cond", {"", ""}).detail.empty());
  CHECK(call("_operator.floordiv", {"a", "b"}).detail.empty());
  CHECK(call("torch.sym_max", {"a", "b"}).detail.empty());
}

TEST_CASE("an operator that torch does not have ends the load") {
  for (const char* name : {"aten.liear.default", "aten.linear.defalt", "aten.linear", "prims.addd.default",
                           "higher_order.conb", "atn.linear.default", "ate.linear.default", "demo.scale",
                           ".aten.linear.default", "demo..default", "demo.scale."}) {
    const Odds odds = call(std::string("torch.ops.") + name, {"input", "weight"});
    CHECK(odds.detail == std::string("torch 2.13 has no operator `") + name + "`");
    CHECK(odds.refused);
  }
}

TEST_CASE("operators of other libraries are not judged") {
  CHECK(call("torch.ops.torchvision.nms.default", {"dets"}).detail.empty());
  CHECK(call("torch.ops.atom.scale.default", {"x"}).detail.empty());
  CHECK(call("torch.ops.quantized.of_another_build.default", {"x"}).detail.empty());
  CHECK(call("#an_extension:scale", {"x"}).detail.empty());
}

TEST_CASE("a name with signs that no name has is not understood") {
  const Odds odds = call("torch.ops.demo.sc\\\"ale.default", {"x"});
  CHECK(odds.detail.starts_with("a node calls what is no name: "));
  CHECK_FALSE(odds.refused);
}

TEST_CASE("functions of Python are those that the verifier allows") {
  for (const char* name : {"_operator.concat", "math.sin", "torch.osp.aten.linear.default", "batch_norm", ""}) {
    const Odds odds = call(name, {"a"});
    CHECK(odds.detail == "`" + std::string(name) + "` is no function that a program may call");
    CHECK(odds.refused);
  }
}

TEST_CASE("an argument without a default must be there") {
  const Odds odds = call("torch.ops.aten.linear.default", {"input", "weihgt", "bias"});
  CHECK(odds.detail == "`torch.ops.aten.linear.default` is called without its argument `weight`");
  CHECK(odds.refused);
  CHECK(call("torch.ops.aten.random_.from", {"self", "to"}).refused);
}

TEST_CASE("an argument that the operator does not have is dropped by torch, which is no refusal") {
  const Odds odds = call("torch.ops.aten.linear.default", {"input", "weight", "bais"});
  CHECK(odds.detail ==
        "`torch.ops.aten.linear.default` is called with an argument `bais`, which it does not have: "
        "torch.export.load drops it");
  CHECK_FALSE(odds.refused);
}

TEST_CASE("only graphs for training may change their arguments") {
  CHECK(call("torch.ops.aten.relu_.default", {"self"}).detail.empty());
  CHECK(call("torch.ops.aten.relu_.default", {"self"}, false).refused);
  CHECK(call("torch.ops.aten.relu.default", {"self"}, false).detail.empty());
}

TEST_CASE("calls in the graphs of higher-order operators are looked at") {
  const std::string inner = exported::graph({}, {node("torch.ops.aten.siin.default", {}, {})}, {});
  const Odds odds =
      odds_of(node("torch.ops.higher_order.cond", {input("", exported::sub_graph(inner))}, {}));
  CHECK(odds.detail == "torch 2.13 has no operator `aten.siin.default`");
}
