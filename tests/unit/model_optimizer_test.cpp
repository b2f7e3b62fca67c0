// Which parameter an optimizer's number is, and which never got a gradient.
#include "model/optimizer_alignment.h"
#include "model/optimizer_evidence.h"
#include "model/optimizer_shapes.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

using Shape = std::vector<std::int64_t>;

TensorId add_tensor(Artifact& artifact, Shape shape) {
  Tensor tensor;
  tensor.dtype = DType::kFloat32;
  tensor.shape = std::move(shape);
  artifact.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(artifact.tensors.size() - 1);
}

void add_model(Artifact& artifact, std::vector<std::pair<std::string, Shape>> entries) {
  StateDict model;
  for (auto& [name, shape] : entries) {
    model.entries.push_back({name, add_tensor(artifact, shape)});
  }
  artifact.state_dicts.push_back(std::move(model));
}

/// One group a list; an empty shape stands for a parameter without state.
OptimizerState optimizer_of(Artifact& artifact, const std::vector<std::vector<Shape>>& groups) {
  OptimizerState optimizer;
  int key = 0;
  for (const std::vector<Shape>& shapes : groups) {
    ParamGroup group;
    for (const Shape& shape : shapes) {
      group.params.push_back(std::to_string(key));
      if (!shape.empty()) {
        OptimizerEntry entry;
        entry.key = std::to_string(key);
        entry.step = 5;
        entry.slots.emplace_back("exp_avg_sq", add_tensor(artifact, shape));
        optimizer.state.push_back(std::move(entry));
      }
      ++key;
    }
    optimizer.groups.push_back(std::move(group));
  }
  return optimizer;
}

std::vector<std::string> names_of(const OptimizerAlignment& alignment) {
  std::vector<std::string> names;
  for (const AlignedParameter& parameter : alignment.parameters) {
    names.push_back(parameter.parameter ? parameter.parameter->name : "?");
  }
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("one group of as many as the model has: by position") {
  Artifact artifact;
  add_model(artifact, {{"a.weight", {4, 4}}, {"a.bias", {4}}, {"b.weight", {4, 4}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{4, 4}, {}, {4, 4}}});
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"a.weight", "a.bias", "b.weight"});
}

TEST_CASE("batch norm statistics are left out when the count asks for it") {
  Artifact artifact;
  add_model(artifact, {{"bn.weight", {4}},
                       {"bn.running_mean", {4}},
                       {"bn.running_var", {4}},
                       {"fc.weight", {2, 4}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{4}, {2, 4}}});
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"bn.weight", "fc.weight"});
}

TEST_CASE("a name like a buffer's is a parameter when the count says so") {
  Artifact artifact;
  add_model(artifact, {{"rbf.inv_freq", {3}}, {"fc.weight", {2, 3}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{}, {2, 3}}});
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"rbf.inv_freq", "fc.weight"});
}

TEST_CASE("tied weights are listed once, under their first name") {
  Artifact artifact;
  add_model(artifact, {{"embed.weight", {5, 3}}, {"norm.weight", {3}}, {"out.weight", {5, 3}}});
  artifact.storages.resize(2);
  artifact.tensors[0].storage = artifact.tensors[2].storage = 0;
  artifact.tensors[1].storage = 1;
  const OptimizerState optimizer = optimizer_of(artifact, {{{5, 3}, {3}}});
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"embed.weight", "norm.weight"});
}

TEST_CASE("several groups: only what the first and the last possible place agree on") {
  Artifact artifact;
  add_model(artifact, {{"a.weight", {4, 4}},
                       {"a.bias", {4}},
                       {"b.weight", {2, 4}},
                       {"b.bias", {2}},
                       {"c.bias", {2}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{4, 4}, {2, 4}}, {{4}, {2}}});
  CHECK(names_of(align_optimizer(artifact, optimizer)) ==
        Names{"a.weight", "b.weight", "a.bias", "?"});
}

TEST_CASE("names that the optimizer keeps settle it") {
  Artifact artifact;
  add_model(artifact, {{"a", {2}}, {"b", {2}}});
  OptimizerState optimizer = optimizer_of(artifact, {{{2}, {2}}});
  optimizer.groups[0].param_names = {"b", "a"};
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"b", "a"});
}

TEST_CASE("shapes that fit nowhere decide nothing") {
  Artifact artifact;
  add_model(artifact, {{"a", {2}}, {"b", {3}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{9}, {3}}});
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"?", "?"});
  artifact.state_dicts.clear();
  CHECK(names_of(align_optimizer(artifact, optimizer)) == Names{"?", "?"});
}

TEST_CASE("parameters without state are grouped by the module that holds them all") {
  Artifact artifact;
  add_model(artifact, {{"stem.weight", {4, 4}},
                       {"spare.0.weight", {4, 4}},
                       {"spare.0.bias", {4}},
                       {"spare.2.weight", {4, 4}},
                       {"fit.scale", {3}},
                       {"fit.shift", {3}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{4, 4}, {}, {}, {}, {}, {3}}});
  GradientEvidence evidence = gradient_evidence(artifact, optimizer);
  CHECK(evidence.listed == 6);
  CHECK(evidence.unreached == 4);
  CHECK(evidence.unnamed == 0);
  REQUIRE(evidence.groups.size() == 2);
  CHECK(evidence.groups[0].module == "spare");
  CHECK(evidence.groups[0].parameters.size() == 3);
  CHECK(evidence.groups[1].parameters.size() == 1);
  CHECK(evidence.groups[1].parameters[0].entry.name == "fit.scale");
}

TEST_CASE("an optimizer that keeps no state says nothing") {
  Artifact artifact;
  add_model(artifact, {{"a", {2}}, {"b", {3}}});
  CHECK(gradient_evidence(artifact, optimizer_of(artifact, {{{}, {}}})).unreached == 0);
}

TEST_CASE("second moments that are all zero count, once they were computed, from ten steps on") {
  Artifact artifact;
  add_model(artifact, {{"a", {2}}, {"b", {3}}});
  OptimizerState optimizer = optimizer_of(artifact, {{{2}, {3}}});
  CHECK(gradient_evidence(artifact, optimizer).unreached == 0);
  ValueFacts zeros;
  zeros.computed = kMoments;
  zeros.count = zeros.numbers = zeros.zero = 2;
  artifact.tensors[*second_moment_of(optimizer.state[0])].values = zeros;
  optimizer.state[0].step = 9;
  CHECK(gradient_evidence(artifact, optimizer).unreached == 0);
  optimizer.state[0].step = 10;
  const GradientEvidence evidence = gradient_evidence(artifact, optimizer);
  REQUIRE(evidence.groups.size() == 1);
  CHECK(evidence.groups[0].parameters[0].entry.name == "a");
  CHECK(evidence.groups[0].parameters[0].zero_moments);
}

namespace {

void add_slot(Artifact& artifact, OptimizerEntry& entry, std::string slot, Shape shape) {
  entry.slots.emplace_back(std::move(slot), add_tensor(artifact, std::move(shape)));
}

/// The tensors of the state are the optimizer's, as a reader marks them.
std::vector<ShapeMismatch> mismatches(Artifact& artifact, const OptimizerState& optimizer) {
  for (const OptimizerEntry& entry : optimizer.state) {
    for (const auto& [slot, tensor] : entry.slots) {
      artifact.tensors[tensor].role = TensorRole::kOptimizer;
    }
  }
  return shape_mismatches(artifact, optimizer);
}

}  // namespace

TEST_CASE("state of another shape, where all others stand in place") {
  Artifact artifact;
  add_model(artifact, {{"a", {4, 3}}, {"b", {4}}, {"c", {5, 4}}, {"d", {5}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{4, 3}, {4}, {9, 4}, {5}}});
  const auto found = mismatches(artifact, optimizer);
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == ShapeMismatch::Kind::kPlace);
  CHECK(found[0].parameter->name == "c");
  CHECK(found[0].shape == Shape{9, 4});
  CHECK(found[0].other_shape == Shape{5, 4});
}

TEST_CASE("two shapes that stand in each other's place may be another order") {
  Artifact artifact;
  add_model(artifact,
            {{"a", {4, 3}}, {"b", {4}}, {"c", {7, 4}}, {"d", {2}}, {"e", {6}}, {"f", {8}}});
  const OptimizerState optimizer = optimizer_of(artifact, {{{4, 3}, {4}, {7, 4}, {2}, {8}, {6}}});
  CHECK(mismatches(artifact, optimizer).empty());
}

TEST_CASE("the state of another model of as many tensors is not compared") {
  Artifact artifact;
  add_model(artifact, {{"g.a", {4, 3}}, {"g.b", {4}}, {"g.c", {5, 4}}});
  add_model(artifact, {{"d.a", {4, 3}}, {"d.b", {4}}, {"d.c", {1, 4}}});
  CHECK(mismatches(artifact, optimizer_of(artifact, {{{4, 3}, {4}, {1, 4}}})).empty());
}

TEST_CASE("an entry with slots that torch does not know is not judged") {
  for (const bool known : {true, false}) {
    Artifact artifact;
    add_model(artifact, {{"a", {4, 3}}, {"b", {4}}, {"c", {5, 4}}, {"d", {5}}});
    OptimizerState optimizer = optimizer_of(artifact, {{{4, 3}, {4}, {2, 9}, {5}}});
    if (!known) optimizer.state[2].others.push_back("projector");
    CHECK(mismatches(artifact, optimizer).size() == (known ? 1 : 0));
  }
}

TEST_CASE("two slots of one entry: a reduction is not another shape") {
  Artifact artifact;
  OptimizerState optimizer = optimizer_of(artifact, {{{6, 4}, {6, 4}, {6, 4}, {6, 4}}});
  add_slot(artifact, optimizer.state[0], "exp_avg", {6, 4});
  add_slot(artifact, optimizer.state[1], "exp_avg", {6, 1});
  add_slot(artifact, optimizer.state[2], "exp_avg", {});
  add_slot(artifact, optimizer.state[3], "exp_avg", {4, 6});
  const auto found = mismatches(artifact, optimizer);
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == ShapeMismatch::Kind::kSlots);
  CHECK(found[0].entry == &optimizer.state[3]);
}

TEST_CASE("without names and places, only a shape that is nowhere counts, and only a few") {
  Artifact artifact;
  add_model(artifact, {{"a", {4, 3}}, {"b", {4}}, {"c", {5, 4}}, {"d", {5}}, {"e", {7}}});
  const auto count = [&](std::vector<std::vector<Shape>> groups) {
    return mismatches(artifact, optimizer_of(artifact, groups)).size();
  };
  CHECK(count({{{5}, {9, 9}}, {{4, 3}, {5, 4}}}) == 1);
  CHECK(count({{{9}, {9, 9}}, {{4, 3}, {5, 4}}}) == 0);
  CHECK(count({{{5}, {1, 1}}, {{4, 3}, {5, 4}}}) == 0);
}

TEST_CASE("L-BFGS keeps the state of all under one: nothing is unreached") {
  Artifact artifact;
  add_model(artifact, {{"a", {4}}, {"b", {5}}});
  OptimizerState optimizer = optimizer_of(artifact, {{{4}, {}}});
  CHECK(gradient_evidence(artifact, optimizer).unreached == 1);
  optimizer.state[0].others = {"func_evals", "n_iter"};
  CHECK(gradient_evidence(artifact, optimizer).unreached == 0);
}
