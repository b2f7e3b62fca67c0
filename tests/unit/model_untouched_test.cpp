// Which parameters count as never trained, and when a whole file was saved before training.
#include <string>
#include <vector>

#include "model/untouched.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

TensorId add(Artifact& artifact, std::string path, std::vector<std::int64_t> shape,
             InitFingerprint kind, TensorRole role = TensorRole::kParameter) {
  Tensor tensor;
  tensor.object_path = std::move(path);
  tensor.shape = std::move(shape);
  tensor.role = role;
  tensor.values.emplace();
  tensor.values->computed = kFingerprint;
  tensor.values->fingerprint = FingerprintEvidence{.kind = kind};
  artifact.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(artifact.tensors.size() - 1);
}

}  // namespace

TEST_CASE("one untouched layer among trained ones") {
  Artifact artifact;
  add(artifact, "a.weight", {64, 64}, InitFingerprint::kNone);
  const TensorId layer = add(artifact, "b.weight", {64, 64}, InitFingerprint::kUniform);
  const TensorId recurrent = add(artifact, "rnn.weight_hh_l0", {64, 16}, InitFingerprint::kNormal);
  add(artifact, "c.weight", {64, 64}, InitFingerprint::kNone);
  const TensorId bias = add(artifact, "b.bias", {64}, InitFingerprint::kUniform);
  const Untouched found = untouched_parameters(artifact);
  CHECK(found.tensors == std::vector<TensorId>{layer, recurrent, bias});
  CHECK_FALSE(found.before_training);  // two matrices of four are not most of them
}

TEST_CASE("a file saved before training") {
  Artifact artifact;
  add(artifact, "a.weight", {64, 64}, InitFingerprint::kTruncatedNormal);
  add(artifact, "b.weight", {64, 64}, InitFingerprint::kUniform);
  add(artifact, "norm.weight", {64}, InitFingerprint::kNone);  // says nothing: no matrix
  add(artifact, "small.weight", {8, 8}, InitFingerprint::kNone);
  CHECK(untouched_parameters(artifact).before_training);
  CHECK_FALSE(untouched_parameters(Artifact{}).before_training);
}

TEST_CASE("what is meant to stay as it was drawn does not count") {
  Artifact artifact;
  add(artifact, "features.projection", {64, 64}, InitFingerprint::kNormal);
  add(artifact, "x.weight", {64, 64}, InitFingerprint::kNormal, TensorRole::kBuffer);
  add(artifact, "state[0].weight", {64, 64}, InitFingerprint::kNormal, TensorRole::kOptimizer);
  const TensorId tied = add(artifact, "head.table", {64, 64}, InitFingerprint::kNormal);
  artifact.tensors[tied].aliases = {"embedding.weight"};
  Tensor unread;
  unread.object_path = "unread.weight";
  artifact.tensors.push_back(unread);
  CHECK(untouched_parameters(artifact).tensors == std::vector<TensorId>{tied});
}
