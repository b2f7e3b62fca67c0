// Programs of torch.export as graphs.
#include <algorithm>
#include <string>
#include <vector>

#include "unit/exported_archive.h"

namespace torchvet {

using namespace exported;

TEST_CASE("Operators are split into name and overload") {
  const Artifact artifact = read_nodes(
      {sound_node(),
       node("torch.ops.aten.relu.default", {input("self", tensor("add"))}, {tensor("y")}),
       node("torch.ops.my_library.deep.op.out", {}, {}), node("_operator.mul", {}, {}),
       node("math.ceil", {}, {}), node("nothing", {}, {})},
      "y");
  const Graph& program = only_graph(artifact);
  REQUIRE(program.nodes.size() == 6);
  CHECK(program.nodes[0].op == "aten::add");
  CHECK(program.nodes[0].overload == "Tensor");
  REQUIRE(program.nodes[0].inputs.size() == 2);
  CHECK(program.nodes[0].inputs[1].argument == "other");
  CHECK(program.values[program.nodes[0].inputs[1].value].attribute == "fc.w");
  CHECK(program.values[program.nodes[0].inputs[0].value].user_input);
  CHECK(program.nodes[1].op == "aten::relu");
  CHECK(program.nodes[1].overload.empty());
  CHECK(program.nodes[2].op == "my_library::deep.op");
  CHECK(program.nodes[2].overload == "out");
  CHECK(program.nodes[3].op == "operator::mul");
  CHECK(program.nodes[4].op == "math::ceil");
  CHECK(program.nodes[5].op == "operator::nothing");
}

TEST_CASE("Frames come innermost first, without those of generated code") {
  const std::string metadata =
      R"({"stack_trace": "File \"net.py\", line 7, in forward\n    x = self.fc(x)\n  )"
      R"(File \"<eval_with_key>.3\", line 9, in forward\n    y = l_x\n  )"
      R"(File \"torch/nn/modules/linear.py\", line 134, in forward\n    return y",)"
      R"("nn_module_stack": "L__self__,,net.Net;L__self__fc,fc@1,torch.nn.modules.linear.Linear"})";
  const Artifact artifact = read_nodes(
      {node("torch.ops.aten.relu.default", {input("self", tensor("x"))}, {tensor("y")}, metadata)},
      "y");
  const Node& relu = only_graph(artifact).nodes.at(0);
  CHECK(relu.module_path == "fc");
  REQUIRE(relu.frames.size() == 2);
  CHECK(relu.frames[0].file == "torch/nn/modules/linear.py");
  CHECK(relu.frames[0].line == 134);
  CHECK(relu.frames[1].file == "net.py");
  CHECK(relu.frames[1].line == 7);
  CHECK(relu.frames[1].function == "forward");
  CHECK(relu.frames[1].text == "x = self.fc(x)");
  const auto linear = std::find_if(artifact.modules.begin(), artifact.modules.end(),
                                   [](const Module& module) { return module.path == "fc"; });
  REQUIRE(linear != artifact.modules.end());
  CHECK(linear->class_name == "torch.nn.modules.linear.Linear");
}

TEST_CASE("What runs under no_grad stands in its place and says so") {
  const auto region = [](const char* enabled, const std::string& inner) {
    return node("torch.ops.higher_order.wrap_with_set_grad_enabled",
                {input("", std::string("{\"as_bool\": ") + enabled + "}"),
                 input("", sub_graph(inner)), input("", tensor("x"))},
                {tensor("y")});
  };
  const std::string relu =
      node("torch.ops.aten.relu.default", {input("self", tensor("a"))}, {tensor("b")});
  const std::string plain = graph({tensor("a")}, {relu}, {tensor("b")});
  for (const bool off : {true, false}) {
    const Artifact artifact = read_nodes(
        {region(off ? "false" : "true", plain),
         node("torch.ops.aten.sum.default", {input("self", tensor("y"))}, {tensor("z")})},
        "z");
    const Graph& program = only_graph(artifact);
    CHECK(program.blocks.size() == 1);
    REQUIRE(program.nodes.size() == 2);
    CHECK(program.nodes[0].op == "aten::relu");
    CHECK(program.nodes[0].no_grad == off);
    CHECK(program.values[program.nodes[0].inputs[0].value].user_input);
    CHECK_FALSE(program.nodes[1].no_grad);
    CHECK(program.nodes[1].inputs[0].value == program.nodes[0].outputs[0]);
  }
}

TEST_CASE("The branches of a cond are blocks that see the values they are given") {
  const std::string yes =
      graph({tensor("a"), tensor("b")},
            {node("torch.ops.aten.mm.default",
                  {input("self", tensor("a")), input("mat2", tensor("b"))}, {tensor("c")})},
            {tensor("c")});
  const std::string no = graph({tensor("a"), tensor("b")}, {}, {tensor("a")});
  const Artifact artifact = read_nodes(
      {node("torch.ops.aten.any.default", {input("self", tensor("x"))}, {tensor("pred")}),
       node("torch.ops.higher_order.cond",
            {input("", tensor("pred")), input("", sub_graph(yes)), input("", sub_graph(no)),
             input("", tensors({"x", "p_w"}))},
            {tensors({"y"})})},
      "y");
  const Graph& program = only_graph(artifact);
  REQUIRE(program.blocks.size() == 3);
  const Node& cond = program.nodes[1];
  CHECK(cond.op == "higher_order::cond");
  CHECK(cond.blocks == std::vector<BlockId>{1, 2});
  REQUIRE(cond.inputs.size() == 3);
  CHECK(cond.inputs[0].value == program.nodes[0].outputs[0]);
  CHECK(program.blocks[1].node == 1u);
  CHECK(program.blocks[1].parameters.empty());
  REQUIRE(program.blocks[1].nodes.size() == 1);
  const Node& product = program.nodes[program.blocks[1].nodes[0]];
  CHECK(product.block == 1);
  CHECK(program.values[product.inputs[1].value].attribute == "fc.w");
  CHECK(program.blocks[2].nodes.empty());
  CHECK(program.blocks[2].results == std::vector<ValueId>{cond.inputs[1].value});
}

TEST_CASE("What a while_loop carries on are parameters of its blocks") {
  const std::string test =
      graph({tensor("a"), tensor("w")},
            {node("torch.ops.aten.any.default", {input("self", tensor("a"))}, {tensor("t")})},
            {tensor("t")});
  const std::string body =
      graph({tensor("a"), tensor("w")},
            {node("torch.ops.aten.mm.default",
                  {input("self", tensor("a")), input("mat2", tensor("w"))}, {tensor("m")})},
            {tensor("m")});
  const Artifact artifact =
      read_nodes({node("torch.ops.higher_order.while_loop",
                       {input("", sub_graph(test)), input("", sub_graph(body)),
                        input("", tensors({"x"})), input("", tensors({"p_w"}))},
                       {tensors({"y"})})},
                 "y");
  const Graph& program = only_graph(artifact);
  REQUIRE(program.blocks.size() == 3);
  for (const BlockId block : {1u, 2u}) {
    REQUIRE(program.blocks[block].parameters.size() == 1);
    const Value& carried = program.values[program.blocks[block].parameters[0]];
    CHECK(carried.owner == block);
    CHECK_FALSE(carried.user_input);
  }
  const Node& product = program.nodes[program.blocks[2].nodes.at(0)];
  CHECK(product.inputs[0].value == program.blocks[2].parameters[0]);
  CHECK(program.values[product.inputs[1].value].attribute == "fc.w");
}

TEST_CASE("Constants are literals of the graph, buffers that are not saved are buffers") {
  const std::string signature = R"({"input_specs": [
    {"tensor_constant": {"arg": {"name": "c_k"}, "tensor_constant_name": "k"}},
    {"buffer": {"arg": {"name": "b_mask"}, "buffer_name": "mask", "persistent": false}}],
    "output_specs": [{"buffer_mutation": {"arg": {"name": "y"}, "buffer_name": "mask"}}]})";
  Archive archive;
  archive.weights = "";
  archive.constants =
      entry("k", "tensor_0", meta({"4"}, {"1"}, R"({"type": "cuda", "index": 1})")) + ", " +
      entry("mask", "tensor_0", meta({"4"}, {"1"}));
  archive.more = {{"data/constants/tensor_0", std::string(16, '\0')}};
  archive.model_json =
      "{\"graph_module\": {\"graph\": " +
      graph({tensor("c_k"), tensor("b_mask")},
            {node("torch.ops.aten.mul.Tensor",
                  {input("self", tensor("c_k")), input("other", tensor("b_mask"))}, {tensor("y")})},
            {tensor("y")}) +
      ", \"signature\": " + signature + "}, \"schema_version\": " + kNewerSchema + "}";
  const Artifact artifact = read(archive);
  const Graph& program = only_graph(artifact);
  REQUIRE(artifact.tensors.size() == 2);
  CHECK(artifact.tensors[0].role == TensorRole::kConstant);
  CHECK(artifact.tensors[0].device == "cuda:1");
  CHECK(artifact.tensors[1].role == TensorRole::kBuffer);
  CHECK(artifact.graph_constants == std::vector<TensorId>{0});
  REQUIRE(program.nodes.size() == 2);
  const std::optional<Literal>& literal = program.values[program.nodes[0].inputs[0].value].literal;
  REQUIRE(literal);
  REQUIRE(std::holds_alternative<Literal::Constant>(literal->value));
  CHECK(program.nodes[1].op == "prim::SetAttr");
  CHECK(program.nodes[1].overload == "mask");
  CHECK(program.blocks[0].results.empty());
}

}  // namespace torchvet
