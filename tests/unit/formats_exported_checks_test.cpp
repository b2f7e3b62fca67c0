// Values in programs that torch.export.load refuses although the program has the form of its schema.
#include "formats/exported/checks.h"
#include "unit/exported_archive.h"

using namespace torchvet;
using exported::node;
using exported::tensor;

namespace {

template <typename Check>
std::string wrong(Check check, const std::string& text) {
  const auto document = JsonDocument::parse(std::string_view(text), Limits{});
  REQUIRE(document);
  return check(document->root()).value_or("");
}

std::string with_metadata(const std::string& metadata) {
  return wrong(wrong_with_metadata, node("torch.ops.aten.relu.default", {}, {}, metadata));
}

std::string graph_of(const std::vector<std::string>& nodes, const std::string& described) {
  return "{\"inputs\": [" + tensor("x") + "], \"outputs\": [], \"nodes\": [" + exported::joined(nodes) +
         "], \"tensor_values\": {" + described + "}}";
}

}  // namespace

TEST_CASE("only numbers with a fraction have a gradient") {
  const std::string floats = exported::meta({"2"}, {"1"});
  CHECK(wrong(wrong_with_meta, floats).empty());
  std::string longs = floats;
  longs.replace(longs.find("\"dtype\": 7"), 10, "\"dtype\": 5");
  CHECK(wrong(wrong_with_meta, longs) == "requires a gradient, which a tensor of int64 cannot have");
  std::string complex = floats;
  complex.replace(complex.find("\"dtype\": 7"), 10, "\"dtype\": 10");
  CHECK(wrong(wrong_with_meta, complex).empty());
  longs.replace(longs.find("\"requires_grad\": true"), 21, "\"requires_grad\": false");
  CHECK(wrong(wrong_with_meta, longs).empty());
}

TEST_CASE("the texts that say where a node comes from can be taken apart") {
  CHECK(with_metadata("{}").empty());
  CHECK(with_metadata(R"json({"nn_module_stack": "k,,net.Net;k_fc,fc,getattr(L['self'], 'fc')"})json").empty());
  CHECK(with_metadata(R"({"source_fn_stack": "l,torch.nn.Linear;r,relu", "torch_fn": "x"})").empty());
  CHECK(with_metadata(R"({"from_node": "[{\"name\": \"x\", \"from_node\": [null]}]"})").empty());
  CHECK(with_metadata(R"({"nn_module_stack": "k,net.Net"})") ==
        "has an `nn_module_stack` that is no list of modules");
  CHECK(with_metadata(R"({"source_fn_stack": "torch.nn.Linear"})") ==
        "has a `source_fn_stack` that is no list of functions");
  CHECK(with_metadata(R"({"custom": "{"})").starts_with("has a `custom` that is no JSON"));
  CHECK(with_metadata(R"({"from_node": "[{"})").starts_with("has a `from_node` that is no JSON"));
  for (const char* origin : {"{}", "[1]", R"([{\"from_node\": {}}])", R"([{\"action\": 1}])"}) {
    CHECK(with_metadata(R"({"from_node": ")" + std::string(origin) + "\"}") ==
          "has a `from_node` that is no list of nodes");
  }
}

TEST_CASE("every value of a graph is described, and made once") {
  const std::string relu = node("torch.ops.aten.relu.default", {}, {tensor("y")});
  CHECK(wrong(wrong_with_names, graph_of({relu}, R"("x": {}, "y": {})")).empty());
  CHECK(wrong(wrong_with_names, graph_of({relu}, R"("y": {})")) == "does not describe its value `x`");
  CHECK(wrong(wrong_with_names, graph_of({relu}, R"("x": {})")) == "does not describe its value `y`");
  CHECK(wrong(wrong_with_names, graph_of({relu, relu}, R"("x": {}, "y": {})")) ==
        "has its value `y` twice");
}

TEST_CASE("the outermost graph returns a list") {
  CHECK(wrong(wrong_with_outermost_graph, R"({"graph": {"is_single_tensor_return": false}})").empty());
  CHECK(wrong(wrong_with_outermost_graph, R"({"graph": {}})").empty());
  CHECK_FALSE(wrong(wrong_with_outermost_graph, R"({"graph": {"is_single_tensor_return": true}})").empty());
}

TEST_CASE("torch counts its own symbols") {
  const auto ranges = [](const std::string& name) {
    return wrong(wrong_with_symbols, R"({"range_constraints": {")" + name + R"(": {}}})");
  };
  for (const char* name : {"s0", "u0", "u12", "zuf3", "x"}) CHECK(ranges(name).empty());
  for (const char* name : {"u", "zuf", "u1x", "user"}) CHECK_FALSE(ranges(name).empty());
}

TEST_CASE("a size of the example lies in its range, of the outermost graph") {
  const auto hinted = [](const std::string& least) {
    const std::string size =
        R"json({"as_expr": {"expr_str": "Symbol('s0', integer=True)", "hint": {"as_int": 4}}})json";
    const std::string tensors = R"({"tensor_values": {"x": {"sizes": [)" + size + R"(], "strides": []}}})";
    const std::string program =
        R"({"range_constraints": {"s0": {"min_val": )" + least + R"(, "max_val": 9}}})";
    SizeHints hints;
    const auto parsed = JsonDocument::parse(std::string_view(program), Limits{});
    hints.read_ranges(parsed->root());
    return wrong([&](Json graph) { return hints.wrong_with(graph); }, tensors);
  };
  CHECK(hinted("2").empty());
  CHECK(hinted("5") == "gives `s0` the size 4, of 5 to 9");
}
