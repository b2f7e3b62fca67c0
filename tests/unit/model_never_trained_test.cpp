// What the numbers of parameters say about training, without the numbers themselves.
#include "model/never_trained.h"
#include "model/weights.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

using Shape = std::vector<std::int64_t>;

Tensor& add(Artifact& artifact, const std::string& name, Shape shape) {
  Tensor tensor;
  tensor.dtype = DType::kFloat32;
  tensor.object_path = name;
  tensor.shape = std::move(shape);
  tensor.storage = 0;
  tensor.values.emplace();
  tensor.values->computed = kMoments | kFingerprint;
  tensor.values->count = tensor.values->numbers = tensor.element_count().value_or(0);
  artifact.tensors.push_back(std::move(tensor));
  const TensorId id = static_cast<TensorId>(artifact.tensors.size() - 1);
  if (artifact.state_dicts.empty()) artifact.state_dicts.emplace_back();
  artifact.state_dicts.front().entries.push_back({name, id});
  return artifact.tensors.back();
}

void add_matrix(Artifact& artifact, const std::string& name, std::int64_t rows,
                InitFingerprint kind) {
  add(artifact, name, {rows, 32}).values->fingerprint = FingerprintEvidence{kind, 0, 20, 20};
}

void add_norm(Artifact& artifact, const std::string& name, bool moved) {
  for (const bool weight : {true, false}) {
    ValueFacts& values = *add(artifact, name + (weight ? ".weight" : ".bias"), {16}).values;
    values.all_equal = !moved;
    values.first = weight ? 1 : 0;
  }
}

TrainingMarks marks_of(const Artifact& artifact) {
  return training_marks(artifact, artifact.state_dicts.front());
}

}  // namespace

TEST_CASE("a matrix is drawn, has moved, or is too small to say that it has") {
  Artifact artifact;
  add_matrix(artifact, "a.weight", 4, InitFingerprint::kUniform);
  add_matrix(artifact, "b.weight", 32, InitFingerprint::kNone);
  add_matrix(artifact, "c.weight", 31, InitFingerprint::kNone);
  add_matrix(artifact, "features", 32, InitFingerprint::kNormal);
  const TrainingMarks marks = marks_of(artifact);
  REQUIRE(marks.parameters.size() == 2);
  CHECK(marks.parameters[0].mark == TrainingMark::kDrawn);
  CHECK(marks.parameters[1].mark == TrainingMark::kMoved);
  CHECK(marks.drawn_matrices == 1);
  CHECK(marks.drawn_elements == 128);
  CHECK(marks.moved_matrices == 1);
  CHECK_FALSE(marks.trained);
}

TEST_CASE("norm layers that moved prove training; constants that are no default prove nothing") {
  Artifact artifact;
  add_norm(artifact, "first", false);
  CHECK_FALSE(marks_of(artifact).trained);
  add_norm(artifact, "second", true);
  const TrainingMarks marks = marks_of(artifact);
  CHECK(marks.trained);
  CHECK(marks.moved_norms == 1);
  REQUIRE(marks.parameters.size() == 4);
  CHECK(marks.parameters[0].mark == TrainingMark::kDefault);
  CHECK(marks.parameters[3].mark == TrainingMark::kMoved);
  artifact.tensors[0].values->first = 0;
  CHECK(marks_of(artifact).parameters.size() == 2);
}

TEST_CASE("an optimizer proves training from its tenth step on") {
  Artifact artifact;
  add_matrix(artifact, "a.weight", 32, InitFingerprint::kUniform);
  add_norm(artifact, "norm", true);
  OptimizerState optimizer;
  optimizer.groups.emplace_back();
  optimizer.groups.back().params = {"0", "1", "2"};
  for (const char* key : {"1", "2"}) {
    OptimizerEntry entry;
    entry.key = key;
    entry.step = 9;
    entry.slots.emplace_back("exp_avg_sq", artifact.state_dicts.front().entries[1].tensor);
    optimizer.state.push_back(std::move(entry));
  }
  artifact.optimizers.push_back(std::move(optimizer));
  CHECK_FALSE(marks_of(artifact).trained);
  for (OptimizerEntry& entry : artifact.optimizers.front().state) entry.step = 10;
  const TrainingMarks marks = marks_of(artifact);
  CHECK(marks.trained);
  CHECK(marks.parameters.front().gradient == GradientWitness::kNone);
  CHECK_FALSE(marks.parameters.back().gradient == GradientWitness::kNone);
}

TEST_CASE("only one that is frozen among others that learn counts as frozen") {
  Artifact artifact;
  add_matrix(artifact, "a.weight", 4, InitFingerprint::kUniform);
  add_matrix(artifact, "b.weight", 4, InitFingerprint::kUniform);
  CHECK_FALSE(marks_of(artifact).parameters[0].frozen);
  artifact.tensors[1].requires_grad = true;
  CHECK(marks_of(artifact).parameters[0].frozen);
  CHECK_FALSE(marks_of(artifact).parameters[1].frozen);
}

TEST_CASE("names of weights") {
  for (const char* name : {"weight", "a.bias", "rnn.weight_ih_l0", "cell.bias_hh",
                           "attn.in_proj_weight", "rnn.weight_hr_l1_reverse"}) {
    CHECK(is_weight_name(name));
  }
  for (const char* name :
       {"weights", "a.weight_g", "pos_embed", "weight.original0", "rnn.weight_ih_mask", "scale"}) {
    CHECK_FALSE(is_weight_name(name));
  }
}

TEST_CASE("an average is judged only where there is no model of its own") {
  Artifact artifact;
  artifact.state_dicts.resize(2);
  artifact.state_dicts[1].is_average = true;
  CHECK(is_own_model(artifact, artifact.state_dicts[0]));
  CHECK_FALSE(is_own_model(artifact, artifact.state_dicts[1]));
  artifact.state_dicts.erase(artifact.state_dicts.begin());
  CHECK(is_own_model(artifact, artifact.state_dicts[0]));
}
