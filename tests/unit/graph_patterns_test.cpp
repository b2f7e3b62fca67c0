// Patterns between operators: a batch norm in two places, probabilities taken for scores, calls
// whose result nobody reads. What real programs look like is in the fixtures of the rules; here are
// shapes that no fixture has.
#include <string>

#include "graph/provenance.h"
#include "unit/catch.h"
#include "unit/graph_builder.h"

namespace torchvet {
namespace {

GraphFacts facts_of(const GraphBuilder& b) {
  Artifact artifact = b.artifact({"w1", "w2", "w3"}, {"mean", "var"});
  analyse_graphs(artifact);
  return artifact.graphs[0].facts;
}

ValueId layer(GraphBuilder& b, ValueId x, const std::string& weight) {
  return b.call("aten::linear",
                {{"input", x}, {"weight", b.attribute(weight)}, {"bias", b.none()}});
}

GraphBuilder::Arguments norm_of(GraphBuilder& b, ValueId x) {
  return {{"input", x},
          {"weight", b.none()},
          {"bias", b.none()},
          {"running_mean", b.attribute("mean")},
          {"running_var", b.attribute("var")},
          {"training", b.flag(false)}};
}

ValueId norm(GraphBuilder& b, ValueId x) { return b.call("aten::batch_norm", norm_of(b, x)); }

ValueId softmax(GraphBuilder& b, ValueId x, std::int64_t dimension) {
  return b.call("aten::softmax", {{"self", x}, {"dim", b.integer(dimension)}});
}

}  // namespace

TEST_CASE("patterns: one batch norm behind two layers") {
  GraphBuilder b;
  const ValueId first = norm(b, layer(b, b.input("x"), "w1"));
  b.result(norm(b, layer(b, b.call("aten::relu", {{"self", first}}), "w2")));
  const GraphFacts facts = facts_of(b);
  REQUIRE(facts.reused_norms.size() == 1);
  CHECK(facts.reused_norms[0].statistics == "mean");
  CHECK(facts.reused_norms[0].uses == 2);
  CHECK(facts.reused_norms[0].before_first == "w1");
  CHECK(facts.reused_norms[0].before_second == "w2");
}

TEST_CASE("patterns: a batch norm that an argument reaches past all layers says nothing") {
  GraphBuilder b;
  const ValueId x = b.input("x");
  const ValueId sum = b.call("aten::add", {{"self", layer(b, x, "w1")}, {"other", x}});
  const ValueId first = layer(b, norm(b, sum), "w2");
  b.result(norm(b, layer(b, first, "w3")));
  CHECK(facts_of(b).reused_norms.empty());
}

TEST_CASE("patterns: what a loop carries says nothing") {
  GraphBuilder b;
  const ValueId start = norm(b, layer(b, b.input("x"), "w1"));
  const NodeId loop = b.node("prim::Loop", {{"", b.integer(3)}, {"", b.flag(true)}, {"", start}});
  b.begin_block(loop);
  b.parameter(ValueType::kInt);
  const ValueId turn = norm(b, layer(b, b.parameter(), "w2"));
  b.end_block({b.flag(true), turn});
  b.result(layer(b, b.output(loop), "w3"));
  CHECK(facts_of(b).reused_norms.empty());
}

TEST_CASE("patterns: a batch norm without a result does no harm") {
  GraphBuilder b;
  const ValueId x = layer(b, b.input("x"), "w1");
  b.node("aten::batch_norm", norm_of(b, x));
  b.node("aten::batch_norm", norm_of(b, layer(b, x, "w2")));
  b.result(x);
  CHECK(facts_of(b).reused_norms.empty());
}

TEST_CASE("patterns: softmax of a softmax, through a cast") {
  GraphBuilder b;
  const ValueId first = softmax(b, b.input("x"), 1);
  b.result(softmax(b, b.call("aten::to", {{"self", first}}), 1));
  const GraphFacts facts = facts_of(b);
  REQUIRE(facts.score_pairs.size() == 1);
  CHECK(facts.score_pairs[0].first == 0);
  CHECK(facts.score_pairs[0].second == 2);
}

TEST_CASE("patterns: a softmax that is not taken as it is says nothing") {
  SECTION("another dimension") {
    GraphBuilder b;
    b.result(softmax(b, softmax(b, b.input("x"), 1), -1));
    CHECK(facts_of(b).score_pairs.empty());
  }
  SECTION("a dimension that the program computes") {
    GraphBuilder b;
    const ValueId dimension = b.input("dim", ValueType::kInt);
    const ValueId first = b.call("aten::softmax", {{"self", b.input("x")}, {"dim", dimension}});
    b.result(b.call("aten::softmax", {{"self", first}, {"dim", dimension}}));
    CHECK(facts_of(b).score_pairs.empty());
  }
  SECTION("written in place through a view") {
    GraphBuilder b;
    const ValueId first = softmax(b, b.input("x"), 1);
    const ValueId part = b.call("aten::select", {{"self", first}, {"index", b.integer(0)}});
    b.call("aten::zero_", {{"self", part}});
    b.result(b.call("aten::log", {{"self", first}}));
    CHECK(facts_of(b).score_pairs.empty());
  }
}

TEST_CASE("patterns: a call whose result nobody reads, by its line") {
  const auto thrown = [](const std::string& line, const std::string& file, bool read) {
    GraphBuilder b;
    const ValueId x = b.input("x");
    const ValueId y = b.call("aten::relu", {{"self", x}});
    b.graph().nodes[0].frames = {{file, 3, "forward", line}};
    b.result(read ? y : x);
    return facts_of(b).thrown_calls.size();
  };
  CHECK(thrown("x.relu()", "net.py", false) == 1);
  CHECK(thrown("x.relu()", "net.py", true) == 0);
  CHECK(thrown("y = x.relu()", "net.py", false) == 0);
  CHECK(thrown("self.act(x)", "net.py", false) == 0);
  CHECK(thrown("", "net.py", false) == 0);
  CHECK(thrown("x.relu()", "lib/site-packages/other/net.py", false) == 0);
}

}  // namespace torchvet
