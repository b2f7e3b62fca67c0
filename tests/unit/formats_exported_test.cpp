// Programs of torch.export written by hand, so that a test can say what torch.export.save would
// never write. A program here is what is left of torch's JSON when everything is gone that nobody
// reads.
#include <algorithm>
#include <string>
#include <vector>

#include "formats/read.h"
#include "unit/catch.h"
#include "unit/zip_builder.h"

namespace torchvet {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string integers(const std::vector<std::string>& numbers) {
  std::vector<std::string> parts;
  for (const std::string& number : numbers) parts.push_back("{\"as_int\": " + number + "}");
  return "[" + joined(parts) + "]";
}

std::string meta(const std::vector<std::string>& sizes, const std::vector<std::string>& strides,
                 const std::string& device = R"({"type": "cpu", "index": null})") {
  return R"({"dtype": 7, "layout": 7, "requires_grad": true, "storage_offset": {"as_int": 0}, )"
         "\"device\": " +
         device + ", \"sizes\": " + integers(sizes) + ", \"strides\": " + integers(strides) + "}";
}

std::string entry(const std::string& name, const std::string& record,
                  const std::string& tensor_meta, bool pickle = false) {
  return quoted(name) + R"(: {"path_name": ")" + record + R"(", "is_param": true, "use_pickle": )" +
         (pickle ? "true" : "false") + ", \"tensor_meta\": " + tensor_meta + "}";
}

std::string tensor(const std::string& name) {
  return R"({"as_tensor": {"name": ")" + name + "\"}}";
}

std::string input(const std::string& name, const std::string& arg) {
  return "{\"name\": " + quoted(name) + ", \"arg\": " + arg + ", \"kind\": 1}";
}

/// {"as_tensors": [...]}
std::string tensors(const std::vector<std::string>& names) {
  std::vector<std::string> parts;
  for (const std::string& name : names) parts.push_back("{\"name\": " + quoted(name) + "}");
  return "{\"as_tensors\": [" + joined(parts) + "]}";
}

std::string node(const std::string& target, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs, const std::string& metadata = "{}") {
  return "{\"target\": " + quoted(target) + ", \"inputs\": [" + joined(inputs) +
         "], \"outputs\": [" + joined(outputs) + "], \"metadata\": " + metadata + "}";
}

std::string graph(const std::vector<std::string>& inputs, const std::vector<std::string>& nodes,
                  const std::vector<std::string>& outputs) {
  return "{\"inputs\": [" + joined(inputs) + "], \"nodes\": [" + joined(nodes) +
         "], \"outputs\": [" + joined(outputs) + "], \"tensor_values\": {}}";
}

std::string sub_graph(const std::string& graph_text) {
  return R"({"as_graph": {"name": "g", "graph": )" + graph_text + "}}";
}

constexpr const char* kSignature = R"({"input_specs": [
  {"parameter": {"arg": {"name": "p_w"}, "parameter_name": "fc.w"}},
  {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}], "output_specs": []})";

/// A program with the parameter `p_w` and the input `x`.
std::string model(const std::vector<std::string>& nodes, const std::vector<std::string>& outputs) {
  return "{\"graph_module\": {\"graph\": " + graph({tensor("p_w"), tensor("x")}, nodes, outputs) +
         ", \"signature\": " + kSignature + "}, \"schema_version\": {\"major\": 8, \"minor\": 1}}";
}

std::string sound_node() {
  return node("torch.ops.aten.add.Tensor",
              {input("self", tensor("x")), input("other", tensor("p_w"))}, {tensor("add")});
}

std::string sound_model() { return model({sound_node()}, {tensor("add")}); }

struct Archive {
  std::string model_json = sound_model();
  std::string weights = entry("fc.w", "weight_0", meta({"2", "2"}, {"2", "1"}));
  std::string constants;
  std::vector<std::pair<std::string, std::string>> more;  ///< further members
};

std::string bytes_of(const Archive& archive) {
  ZipBuilder zip;
  zip.add("net/data/weights/weight_0", std::string(16, '\1'))
      .add("net/data/weights/model_weights_config.json", "{\"config\": {" + archive.weights + "}}")
      .add("net/data/constants/model_constants_config.json",
           "{\"config\": {" + archive.constants + "}}")
      .add("net/models/model.json", archive.model_json)
      .add("net/archive_format", "pt2");
  for (const auto& [name, data] : archive.more) zip.add("net/" + name, data);
  return zip.build();
}

Artifact read(const Archive& archive) {
  return read_artifact(Source::from_bytes("net.pt2", bytes_of(archive)), {});
}

Artifact read_model(std::string model_json) {
  Archive archive;
  archive.model_json = std::move(model_json);
  return read(archive);
}

Artifact read_nodes(const std::vector<std::string>& nodes, const std::string& result) {
  return read_model(model(nodes, {tensor(result)}));
}

/// The names of all faults, each of which has to leave a gap.
std::vector<std::string> faults_of(const Artifact& artifact) {
  std::vector<std::string> names;
  for (const Fault& fault : artifact.faults) names.emplace_back(name_of(fault.error.code));
  CHECK(artifact.gaps.size() >= names.size());
  return names;
}

using Names = std::vector<std::string>;

const Graph& only_graph(const Artifact& artifact) {
  REQUIRE(artifact.gaps.empty());
  REQUIRE(artifact.graphs.size() == 1);
  return artifact.graphs[0];
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string nested_graphs(std::size_t depth) {
  std::string inner = graph({}, {}, {});
  for (std::size_t i = 0; i < depth; ++i) {
    inner = graph(
        {}, {node("torch.ops.higher_order.strict_mode", {input("", sub_graph(inner))}, {})}, {});
  }
  return inner;
}

}  // namespace

TEST_CASE("A sound program has a parameter, a graph and no gap") {
  const Artifact artifact = read({});
  CHECK(artifact.kind == Kind::kExportedProgram);
  const Graph& program = only_graph(artifact);
  CHECK(program.method == "forward");
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].object_path == "fc.w");
  CHECK(artifact.tensors[0].role == TensorRole::kParameter);
  CHECK(artifact.tensors[0].requires_grad);
  REQUIRE(artifact.modules.size() == 2);
  CHECK(artifact.modules[1].path == "fc");
  REQUIRE(artifact.state_dicts.size() == 1);
  CHECK(artifact.state_dicts[0].entries.size() == 1);
}

// --- Hostile bytes -------------------------------------------------------------------------------

TEST_CASE("A program that is no JSON is a fault, and the next file is read") {
  for (const std::string& text :
       {std::string("{\"graph_module\": "), std::string("\x80\x04."), std::string(),
        repeated("[", 100'000), repeated("{\"a\":", 100'000),
        repeated("[", 5000) + repeated("]", 5000), std::string("{\"a\": 99999999999999999999999}"),
        std::string("{\"a\": 1e999}"), std::string("{\"a\": \"\xff\xfe\"}")}) {
    CHECK(faults_of(read_model(text)) == Names{"json-invalid"});
    CHECK(read({}).gaps.empty());
  }
}

TEST_CASE("A program of another shape is a fault") {
  for (const std::string text :
       {"[]", "3", "{}", R"({"graph_module": 3})", R"({"graph_module": {"graph": {}}})",
        R"({"graph_module": {"graph": {"inputs": [], "nodes": [], "outputs": []}}})",
        R"({"graph_module": {"graph": [], "signature": []}})"}) {
    const Artifact artifact = read_model(text);
    CHECK(faults_of(artifact) == Names{"exported-bad-program"});
    CHECK(artifact.graphs.empty());
  }
}

TEST_CASE("A key that an object has twice is a fault") {
  Archive archive;
  const std::string twice = entry("fc.w", "weight_0", meta({"2"}, {"1"}));
  archive.weights = twice + ", " + twice;
  CHECK(faults_of(read(archive)) == Names{"json-duplicate-key"});
}

TEST_CASE("A value that nothing defines is a fault, wherever it is used") {
  CHECK(faults_of(read_nodes(
            {node("torch.ops.aten.relu.default", {input("self", tensor("gone"))}, {tensor("y")})},
            "y")) == Names{"exported-bad-program"});
  CHECK(faults_of(read_nodes({sound_node()}, "gone")) == Names{"exported-bad-program"});
  CHECK(faults_of(read_nodes({node("torch.ops.aten.cat.default",
                                   {input("tensors", tensors({"x", "gone"}))}, {tensor("y")})},
                             "y")) == Names{"exported-bad-program"});
  // A sub graph sees nothing but what it is given.
  const std::string inner = graph({}, {}, {tensor("x")});
  CHECK(faults_of(read_nodes({node("torch.ops.higher_order.strict_mode",
                                   {input("", sub_graph(inner))}, {tensor("y")})},
                             "y")) == Names{"exported-bad-program"});
}

TEST_CASE("Nodes of the wrong types are faults") {
  for (const std::string wrong :
       {"3", "null", R"({"target": 3, "inputs": [], "outputs": []})",
        R"({"target": "a", "inputs": "x", "outputs": []})",
        R"({"target": "a", "inputs": [], "outputs": {}})",
        R"({"target": "a", "inputs": [3], "outputs": []})",
        R"({"target": "a", "inputs": [{"name": 1, "arg": []}], "outputs": []})",
        R"({"target": "torch.ops.higher_order.cond", "inputs": [{"arg": 1}], "outputs": []})",
        R"({"target": "torch.ops.higher_order.cond", "inputs": [{"arg": {"as_graph": 1}}],
            "outputs": []})"}) {
    CHECK(faults_of(read_nodes({wrong}, "x")) == Names{"exported-bad-program"});
  }
}

TEST_CASE("Parts of a node that are of the wrong types count as missing") {
  const std::string metadata =
      R"({"stack_trace": 3, "nn_module_stack": [], "from_node": {}, "torch_fn": null})";
  const Artifact artifact = read_nodes(
      {node("....",
            {input("", R"({"as_int": "x"})"), input("", R"({"as_float": []})"),
             input("", R"({"as_device": 7})"), input("", R"({"as_ints": {"a": 1}})"),
             input("", R"({"as_ints": ["a", null, 2]})"), input("", R"({"as_scalar_type": -5})"),
             input("", R"({"as_new_kind": 1})"), input("", R"({"as_optional_tensor": 1})")},
            {"3", "{}", R"({"as_tensor": 3})", R"({"as_tensors": [1, {"name": 2}]})"}, metadata)},
      "x");
  const Graph& program = only_graph(artifact);
  REQUIRE(program.nodes.size() == 1);
  CHECK(program.nodes[0].inputs.size() == 8);
  CHECK(program.nodes[0].outputs.empty());
  CHECK(program.nodes[0].frames.empty());
}

TEST_CASE("Graphs inside graphs have a bound") {
  const auto nested = [](std::size_t depth) {
    return read_nodes({node("torch.ops.higher_order.strict_mode",
                            {input("", sub_graph(nested_graphs(depth)))}, {})},
                      "x");
  };
  CHECK(faults_of(nested(10)).empty());
  CHECK(faults_of(nested(100)) == Names{"limit-exceeded"});
  CHECK(faults_of(nested(1000)) == Names{"json-invalid"});
}

TEST_CASE("Lists of a million elements are read") {
  std::string numbers = "1", names = R"({"name": "x"})";
  for (int i = 1; i < 1'000'000; ++i) {
    numbers += ",1";
    names += R"(,{"name":"x"})";
  }
  const Artifact artifact = read_nodes(
      {node("torch.ops.aten.view.default", {input("size", "{\"as_ints\": [" + numbers + "]}")}, {}),
       node("torch.ops.aten.cat.default", {input("tensors", "{\"as_tensors\": [" + names + "]}")},
            {tensor("y")})},
      "y");
  const Graph& program = only_graph(artifact);
  REQUIRE(program.nodes.size() == 3);
  CHECK(program.nodes[1].op == "prim::ListConstruct");
  CHECK(program.nodes[1].inputs.size() == 1'000'000);
}

TEST_CASE("A program beyond a limit is a gap") {
  ReadOptions options;
  options.limits.graph_nodes = 0;
  Artifact artifact = read_artifact(Source::from_bytes("net.pt2", bytes_of({})), options);
  CHECK(faults_of(artifact) == Names{"limit-exceeded"});
  options.limits.json_bytes = 10;
  artifact = read_artifact(Source::from_bytes("net.pt2", bytes_of({})), options);
  CHECK(faults_of(artifact) == Names{"limit-exceeded"});
  options.graphs = false;
  options.limits = {};
  artifact = read_artifact(Source::from_bytes("net.pt2", bytes_of({})), options);
  CHECK(artifact.graphs.empty());
  CHECK(artifact.gaps.empty());
}

TEST_CASE("Tensors that are none are faults") {
  const auto faults = [](const std::string& weights) {
    Archive archive;
    archive.weights = weights;
    return faults_of(read(archive));
  };
  CHECK(faults(entry("fc.w", "../../etc/passwd", meta({"2"}, {"1"}))) == Names{"storage-missing"});
  CHECK(faults(entry("fc.w", "weight_1", meta({"2"}, {"1"}))) == Names{"storage-missing"});
  CHECK(faults(entry("fc.w", "weight_0", meta({"2", "2"}, {"1"}))) ==
        Names{"tensor-bad-arguments"});
  CHECK(faults(entry("fc.w", "weight_0", meta({"-4"}, {"1"}))) == Names{"tensor-bad-arguments"});
  CHECK(faults(entry("fc.w", "weight_0", R"({"dtype": 7, "sizes": [{"as_int": 2}]})")) ==
        Names{"tensor-bad-arguments"});
  CHECK(faults(entry("fc.w", "weight_0", R"({"dtype": 7, "sizes": 2, "strides": 1})")) ==
        Names{"tensor-bad-arguments"});
  CHECK(faults(R"("fc.w": {"is_param": true})") == Names{"exported-bad-program"});
  CHECK(faults(R"("fc.w": 3)") == Names{"exported-bad-program"});
  Archive archive;
  archive.weights = R"("fc.w": {"path_name": "weight_0"}}, "other": {)";  // no tensor_meta
  CHECK(read(archive).tensors.empty());
}

TEST_CASE("Sizes that fit nowhere stay numbers") {
  Archive archive;
  archive.weights = entry("fc.w", "weight_0", meta({"9223372036854775807", "4"}, {"4", "1"}));
  const Artifact artifact = read(archive);
  REQUIRE(artifact.tensors.size() == 1);
  CHECK_FALSE(artifact.tensors[0].element_count().has_value());
}

TEST_CASE("Names that share a record share a storage") {
  Archive archive;
  archive.weights = entry("fc.w", "weight_0", meta({"2", "2"}, {"2", "1"})) + ", " +
                    entry("head.w", "weight_0", meta({"4"}, {"1"}));
  const Artifact artifact = read(archive);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.tensors.size() == 2);
  CHECK(artifact.storages.size() == 1);
  CHECK(artifact.tensors[0].storage == artifact.tensors[1].storage);
}

TEST_CASE("An empty record has no numbers, except for a tensor without elements") {
  Archive archive;
  archive.weights = entry("fc.w", "weight_1", meta({"2", "2"}, {"2", "1"})) + ", " +
                    entry("fc.view", "weight_1", meta({"8"}, {"1"})) + ", " +
                    entry("fc.none", "weight_2", meta({"0", "3"}, {"3", "1"}));
  archive.more = {{"data/weights/weight_1", ""}, {"data/weights/weight_2", ""}};
  const Artifact artifact = read(archive);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.storages.size() == 2);
  CHECK_FALSE(artifact.storages[0].present);
  CHECK(artifact.storages[0].declared_bytes == 32);  // what the largest of its tensors needs
  CHECK(artifact.storages[1].present);
}

TEST_CASE("Records that are pickles are read as such") {
  Archive archive;
  archive.weights = entry("fc.w", "weight_1", meta({"2"}, {"1"}), true);
  archive.constants = entry("helper", "custom_obj_0", "null", true);
  archive.more = {{"data/weights/weight_1", "cos\nsystem\n(Vecho\ntR."},
                  {"data/constants/custom_obj_0", "N."},
                  {"data/sample_inputs/model.pt", "(t."},
                  {"data/sample_inputs/broken.pt", "("}};
  const Artifact artifact = read(archive);
  CHECK(artifact.pickles.size() == 4);
  const auto runs = [](const PickleProgram& pickle) { return !pickle.calls.empty(); };
  CHECK(std::count_if(artifact.pickles.begin(), artifact.pickles.end(), runs) == 1);
  CHECK(faults_of(artifact) == Names{"pickle-no-stop"});
}

// --- Lowering ------------------------------------------------------------------------------------

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
      ", \"signature\": " + signature + "}, \"schema_version\": {\"major\": 8}}";
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

// --- Archives with more, or less, than one program ----------------------------------------------

TEST_CASE("Several models of one archive are kept apart") {
  Archive archive;
  archive.more = {{"models/other.json", sound_model()},
                  {"data/weights/other_weights_config.json",
                   "{\"config\": {" + entry("fc.w", "weight_0", meta({"4"}, {"1"})) + "}}"},
                  {"data/constants/other_constants_config.json", R"({"config": {}})"},
                  {"models/broken.json", "{"}};
  const Artifact artifact = read(archive);
  CHECK(faults_of(artifact) == Names{"json-invalid"});
  CHECK(artifact.exported->models == Names{"broken", "model", "other"});
  REQUIRE(artifact.graphs.size() == 2);
  CHECK(artifact.graphs[0].method == "model");
  CHECK(artifact.graphs[1].method == "other");
  REQUIRE(artifact.state_dicts.size() == 3);
  CHECK(artifact.state_dicts[1].path == "model");
  CHECK(artifact.state_dicts[1].entries.size() == 1);
  CHECK(artifact.state_dicts[2].path == "other");
  CHECK(artifact.state_dicts[2].entries.size() == 1);
}

TEST_CASE("Compiled code is named and a gap") {
  ZipBuilder zip;
  zip.add("net/archive_format", "pt2")
      .add("net/data/aotinductor/model/abc.wrapper.so",
           "\x7f"
           "ELF")
      .add("net/data/aotinductor/model/abc_metadata.json", "{}");
  const Artifact artifact = read_artifact(Source::from_bytes("net.pt2", zip.build()), {});
  CHECK(artifact.exported->native_parts ==
        Names{"data/aotinductor/model/abc.wrapper.so", "data/aotinductor/model/abc_metadata.json"});
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "data/aotinductor");
}

TEST_CASE("An archive without a program is a gap, and its pickles are read all the same") {
  ZipBuilder older;
  older.add("version", "8.1")
      .add("serialized_exported_program.json", sound_model())
      .add("serialized_state_dict.pt", "cos\nsystem\n(Vecho\ntR.");
  const Artifact artifact = read_artifact(Source::from_bytes("net.pt2", older.build()), {});
  CHECK(artifact.format == Format::kExportedProgram);
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "models");
  REQUIRE(artifact.pickles.size() == 1);
  CHECK(artifact.pickles[0].calls.size() == 1);

  ZipBuilder empty;
  empty.add("net/archive_format", "pt2").add("x", "");
  CHECK(read_artifact(Source::from_bytes("net.pt2", empty.build()), {}).gaps.size() == 1);
}

TEST_CASE("Another version of the schema is a gap, and read as well as can be") {
  std::string text = sound_model();
  text.replace(text.find("\"major\": 8"), 10, "\"major\": 9");
  const Artifact artifact = read_model(text);
  CHECK(artifact.gaps.size() == 1);
  CHECK(artifact.graphs.size() == 1);
}

}  // namespace torchvet
