// Archives of torch.export: hostile ones, and those with more or less than one program.
#include <algorithm>
#include <string>
#include <vector>

#include "unit/exported_archive.h"

namespace torchvet {
namespace {

using namespace exported;

/// The names of all faults, each of which has to leave a gap.
std::vector<std::string> faults_of(const Artifact& artifact) {
  std::vector<std::string> names;
  for (const Fault& fault : artifact.faults) names.emplace_back(name_of(fault.error.code));
  CHECK(artifact.gaps.size() >= names.size());
  return names;
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
                  {"data/sample_inputs/broken.pt", "("}};
  archive.sample_inputs = "(t.";
  const Artifact artifact = read(archive);
  CHECK(artifact.pickles.size() == 4);
  const auto runs = [](const PickleProgram& pickle) { return !pickle.calls.empty(); };
  CHECK(std::count_if(artifact.pickles.begin(), artifact.pickles.end(), runs) == 1);
  CHECK(faults_of(artifact) == Names{"pickle-no-stop"});
}

// --- Archives with more, or less, than one program ----------------------------------------------

TEST_CASE("Several models of one archive are kept apart") {
  Archive archive;
  archive.more = {{"models/other.json", sound_model()},
                  {"data/weights/other_weights_config.json",
                   "{\"config\": {" + entry("fc.w", "weight_0", meta({"4"}, {"1"})) + "}}"},
                  {"data/constants/other_constants_config.json", R"({"config": {}})"},
                  {"data/sample_inputs/other.pt", ""},
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
  REQUIRE(artifact.state_dicts[2].entries.size() == 1);
  CHECK(artifact.state_dicts[2].entries[0].name == "fc.w");
  // The name of the model comes before all paths, so that no finding mixes them up.
  CHECK(artifact.tensors[0].object_path == "model.fc.w");
  CHECK(artifact.tensors[1].object_path == "other.fc.w");
  CHECK(artifact.graphs[1].values[0].attribute == "other.fc.w");
}

TEST_CASE("Compiled code is named and a gap") {
  ZipBuilder zip;
  zip.add("net/archive_format", "pt2")
      .add("net/version", "3\n")
      .add("net/data/aotinductor/model/abc.wrapper.so",
           "\x7f"
           "ELF")
      .add("net/data/aotinductor/model/abc_metadata.json", R"({"AOTI_DEVICE_KEY": "cpu"})");
  const Artifact artifact = read_artifact(Source::from_bytes("net.pt2", zip.build()), {});
  REQUIRE(artifact.exported->compiled.size() == 1);
  const CompiledModel& model = artifact.exported->compiled[0];
  CHECK(model.name == "model");
  CHECK(model.parts ==
        Names{"data/aotinductor/model/abc.wrapper.so", "data/aotinductor/model/abc_metadata.json"});
  REQUIRE(model.notes.size() == 1);
  CHECK(model.notes[0] == std::pair<std::string, std::string>("AOTI_DEVICE_KEY", "cpu"));
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "compiled model model");
}

TEST_CASE("Every compiled model is a gap of its own, and torch.save files beside them are read") {
  ZipBuilder zip;
  zip.add("net/archive_format", "pt2")
      .add("net/version", "3\n")
      .add("net/data/aotinductor/a/a.wrapper.so", "x")
      .add("net/data/aotinductor/b/b.wrapper.so", "x")
      .add("net/data/aotinductor/b/b_metadata.json", R"({"AOTI_DEVICE_KEY": 3, "x": ""})")
      .add("net/data/executorch/program.pte", "x")
      .add("net/data/constants/custom_obj_0", "cos\nsystem\n(Vecho\ntR.")
      .add("net/data/weights/weight_0", ZipBuilder().add("archive/data.pkl", "N.").build());
  const Artifact artifact = read_artifact(Source::from_bytes("net.pt2", zip.build()), {});
  REQUIRE(artifact.exported->compiled.size() == 3);
  CHECK(artifact.exported->compiled[0].name.empty());
  CHECK(artifact.exported->compiled[1].name == "a");
  CHECK(artifact.exported->compiled[2].notes.empty());
  CHECK(artifact.gaps.size() == 3);
  REQUIRE(artifact.pickles.size() == 2);
  CHECK(artifact.pickles[0].calls.size() == 1);
  CHECK(artifact.pickles[1].name == "net/data/weights/weight_0/archive/data.pkl");
}

TEST_CASE("An archive without a program is a gap") {
  ZipBuilder empty;
  empty.add("net/archive_format", "pt2").add("net/version", "3\n").add("x", "");
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
