// The real worker on programs that torch.jit.save would not write.
#include <string>

#include "graph/worker_client.h"
#include "unit/catch.h"

namespace torchvet {
namespace {

constexpr const char* kHeader =
    "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n";

Artifact program(const std::string& code) {
  Artifact artifact;
  artifact.script.emplace();
  artifact.script->root_class = "__torch__.Net";
  artifact.script->version = 3;
  artifact.script->code.push_back({"__torch__.py", code, {}});
  return artifact;
}

std::string forward(const std::string& body) {
  return std::string(kHeader) + "  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n" + body;
}

Artifact run(GraphWorker& worker, const std::string& code, const Limits& limits = {}) {
  Artifact artifact = program(code);
  worker.read_graphs(artifact, limits);
  return artifact;
}

std::string only_gap(const Artifact& artifact) {
  CHECK(artifact.graphs.empty());
  return artifact.gaps.size() == 1 ? artifact.gaps[0].why : "";
}

bool has_op(const Graph& graph, std::string_view op) {
  for (const Node& node : graph.nodes) {
    if (node.op == op) return true;
  }
  return false;
}

/// f0 calls f1 `width` times, f1 calls f2 `width` times, ...
std::string calls_of_calls(int depth, int width) {
  std::string code = forward("    return __torch__.f0(x, )\n");
  for (int i = 0; i < depth; ++i) {
    code += "def f" + std::to_string(i) + "(x: Tensor) -> Tensor:\n";
    for (int k = 0; k < width; ++k) {
      code += "  x" + std::to_string(k) + " = __torch__.f" + std::to_string(i + 1) + "(x, )\n";
    }
    code += "  return x0\n";
  }
  return code + "def f" + std::to_string(depth) +
         "(x: Tensor) -> Tensor:\n  return torch.relu(x)\n";
}

}  // namespace

TEST_CASE("A call is followed, and the module path is that of its owner") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  const std::string code = std::string(kHeader) +
                           "  sub : __torch__.Sub\n"
                           "  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n"
                           "    sub = self.sub\n    return (sub).forward(x, )\n"
                           "class Sub(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = []\n"
                           "  w : Tensor\n"
                           "  def forward(self: __torch__.Sub, x: Tensor) -> Tensor:\n"
                           "    w = self.w\n    return torch.matmul(x, w)\n";
  const Artifact artifact = run(worker, code);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.graphs.size() == 1);
  const Graph& graph = artifact.graphs[0];
  REQUIRE(graph.nodes.size() == 1);
  CHECK(graph.nodes[0].op == "aten::matmul");
  CHECK(graph.nodes[0].module_path == "sub");
  CHECK(graph.nodes[0].inputs[1].argument == "other");
  CHECK(graph.values[graph.nodes[0].inputs[1].value].attribute == "sub.w");
  CHECK_FALSE(worker.libtorch_version().empty());
}

TEST_CASE("A branch that a literal decides is the only one left") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  const Artifact artifact = run(
      worker, forward("    if False:\n      y = torch.tanh(x)\n    else:\n      y = torch.relu(x)\n"
                      "    return y\n"));
  REQUIRE(artifact.graphs.size() == 1);
  CHECK(has_op(artifact.graphs[0], "aten::relu"));
  CHECK_FALSE(has_op(artifact.graphs[0], "aten::tanh"));
  CHECK_FALSE(has_op(artifact.graphs[0], "prim::If"));
}

TEST_CASE("A list that the program changes is no literal") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  const Artifact artifact =
      run(worker, forward("    a = [1, 2]\n    _0 = torch.append(a, 3)\n"
                          "    return torch.reshape(torch.reshape(x, a), [3, 4])\n"));
  REQUIRE(artifact.graphs.size() == 1);
  const Graph& graph = artifact.graphs[0];
  CHECK(has_op(graph, "prim::ListConstruct"));
  const Value& fixed = graph.values[graph.nodes.back().inputs[1].value];
  REQUIRE(fixed.literal);
  CHECK(std::get<std::vector<std::int64_t>>(fixed.literal->value) ==
        std::vector<std::int64_t>{3, 4});
}

TEST_CASE("Operators that LibTorch does not know stand in the graph; its own that it lacks are a gap") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  CHECK(run(worker, forward("    return ops.none.one(x)\n")).gaps.empty());
  const Artifact artifact =
      run(worker, forward("    a, b, = ops.none.two(x)\n    c = torch.not_yet_invented(a, b)\n"
                          "    return c\n"));
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].why ==
        "LibTorch refuses the program: it has no operator aten::not_yet_invented; the program is of a "
        "newer torch, or damaged");
  REQUIRE(artifact.graphs.size() == 1);
  CHECK(has_op(artifact.graphs[0], "none::two"));
  CHECK(has_op(artifact.graphs[0], "aten::not_yet_invented"));
  const Artifact own = run(worker, forward("    return ops.prim.not_yet_invented(x)\n"));
  REQUIRE(own.graphs.size() == 1);
  CHECK(has_op(own.graphs[0], "prim::not_yet_invented"));
}

TEST_CASE("The result of an unknown operator has the type that is declared for it") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  const std::string code = std::string(kHeader) +
                           "  kept : Dict[str, int]\n"
                           "  def forward(self: __torch__.Net, x: Tensor) -> List[int]:\n"
                           "    _0 = ops.none.counts(x, dim=1, name=\"a=(b\")\n"
                           "    self.kept = _0\n"
                           "    one, = ops.none.parts(torch.relu(x))\n"
                           "    return ops.none.sizes(one)\n";
  const Artifact artifact = run(worker, code);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.graphs.size() == 1);
  const Graph& graph = artifact.graphs[0];
  CHECK(has_op(graph, "prim::ListUnpack"));
  const Node& counts = graph.nodes[0];
  REQUIRE(counts.op == "none::counts");
  REQUIRE(counts.inputs.size() == 3);
  CHECK(counts.inputs[0].argument == "dim");
  CHECK(counts.inputs[1].argument == "name");
  CHECK(graph.values[graph.nodes.back().outputs[0]].type == ValueType::kList);
}

TEST_CASE("Classes of C++ that LibTorch does not know are opaque") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  const std::string code =
      std::string(kHeader) +
      "  a : __torch__.torch.classes.foo.Bar\n"
      "  b : __torch__.torch.classes.__backends__.any\n"
      "  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n"
      "    _0 = __torch__.torch.classes.foo.Bar.__new__(__torch__.torch.classes.foo.Bar)\n"
      "    _1 = (_0).__init__(3, \"text\", )\n"
      "    self.a = _0\n"
      "    y = (self.a).run(x, 2, )\n"
      "    if (self.b).is_available():\n      z = torch.relu(y)\n"
      "    else:\n      z = ops.foo.other(y, CONSTANTS.c0)\n"
      "    return z\n"
      "  def made(self: __torch__.Net, x: Tensor) -> __torch__.torch.classes.foo.Bar:\n"
      "    return ops.foo.make(x)\n";
  Artifact artifact = program(code);
  artifact.script->constants = {"__torch__.torch.classes.foo.Constant"};
  worker.read_graphs(artifact, {});
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.graphs.size() == 2);
  CHECK(has_op(artifact.graphs[0], "foo::other"));
  CHECK(has_op(artifact.graphs[0], "prim::If"));
  CHECK(has_op(artifact.graphs[1], "foo::make"));

  // What one program made up is unknown to the next, which gives it another type.
  const Artifact next = run(worker, forward("    return ops.foo.make(x)\n"));
  REQUIRE(next.graphs.size() == 1);
  CHECK(next.graphs[0].values[next.graphs[0].nodes[0].outputs[0]].type == ValueType::kTensor);
}

TEST_CASE("More unknown names than anyone has end in bounds") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  std::string operators, classes, keywords;
  for (int i = 0; i < 20'000; ++i) {
    const std::string number = std::to_string(i);
    operators += "    a" + number + " = ops.x" + number + ".y(x, k=1)\n";
    classes +=
        "    b" + number + " = (x).m" + number + "(__torch__.torch.classes.c" + number + ".D)\n";
    keywords += ", k" + number + "=1";
  }
  const std::string end = "    return x\n";
  CHECK_FALSE(only_gap(run(worker, forward(operators + end))).empty());
  CHECK_FALSE(only_gap(run(worker, forward(classes + end))).empty());
  CHECK_FALSE(only_gap(run(worker, forward("    a = ops.x.y(x" + keywords + ")\n" + end))).empty());
  CHECK(run(worker, forward("    return torch.relu(x)\n")).graphs.size() == 1);
}

TEST_CASE("A constant may be an object of a class of the program") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  Artifact artifact =
      program(forward("    weight = (CONSTANTS.c1).weight\n"
                      "    return torch.mul(x, torch.add(weight, CONSTANTS.c0))\n") +
              "class Kept:\n  weight : Tensor\n");
  artifact.script->constants = {"", "__torch__.Kept"};
  worker.read_graphs(artifact, {});
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.graphs.size() == 1);
  const Graph& graph = artifact.graphs[0];
  CHECK(graph.values[graph.nodes[0].inputs[0].value].attribute == "CONSTANTS.c1.weight");

  artifact = program(forward("    return CONSTANTS.c0\n"));
  artifact.script->constants = {"unknown"};
  worker.read_graphs(artifact, {});
  CHECK(only_gap(artifact).find("unknown class") != std::string::npos);
}

TEST_CASE("The archive's version says what old operators mean") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  Artifact old = program(forward("    return torch.div(x, x)\n"));
  worker.read_graphs(old, {});
  CHECK(old.gaps.empty());
  REQUIRE(old.graphs.size() == 1);
  CHECK(has_op(old.graphs[0], "prim::If"));  // integers were rounded

  Artifact current = program(forward("    return torch.div(x, x)\n"));
  current.script->version = 10;
  worker.read_graphs(current, {});
  REQUIRE(current.graphs.size() == 1);
  CHECK(current.graphs[0].nodes.size() == 1);

  for (const std::int64_t version : {std::int64_t{0}, std::int64_t{11}}) {
    Artifact other = program(forward("    return torch.div(x, x)\n"));
    other.script->version = version;
    worker.read_graphs(other, {});
    CHECK(only_gap(other).find("has version " + std::to_string(version)) != std::string::npos);
  }
}

TEST_CASE("What LibTorch refuses is a gap with its reason") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  CHECK(only_gap(run(worker, "no code at all")).find("LibTorch refuses") != std::string::npos);
  CHECK(only_gap(run(worker, forward("    return (self).forward(x, )\n"))).find("recursively") !=
        std::string::npos);
  // An address in memory would make another report of the same file.
  const std::string wrong = std::string(kHeader) +
                            "  sub : __torch__.Sub\n"
                            "  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n"
                            "    self.sub = x\n    return x\n"
                            "class Sub(Module):\n  __parameters__ = []\n  __buffers__ = []\n";
  const std::string reason = only_gap(run(worker, wrong));
  CHECK(reason.find("Expected __torch__.Sub but got Tensor") != std::string::npos);
}

TEST_CASE("Calls that multiply end at the limit") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  Limits limits;
  limits.graph_nodes = 10'000;
  CHECK(only_gap(run(worker, calls_of_calls(40, 4), limits)).find("graph_nodes") !=
        std::string::npos);
}

TEST_CASE("A program that kills the worker costs only its own graph") {
  GraphWorker worker(TORCHVET_TEST_WORKER);
  constexpr std::size_t kDeep = 1'000'000;
  const std::string deep =
      forward("    return " + std::string(kDeep, '(') + "x" + std::string(kDeep, ')') + "\n");
  CHECK(only_gap(run(worker, deep)).find("ended with signal") != std::string::npos);
  CHECK(run(worker, forward("    return torch.relu(x)\n")).graphs.size() == 1);
}

}  // namespace torchvet
