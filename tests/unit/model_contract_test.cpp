// What joins the tensors of a model to those that are expected of it: names, wrappers, prefixes,
// and for what is left shapes and numbers.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/contract.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

using Shape = std::vector<std::int64_t>;

struct Made {
  std::string name;
  Shape shape = {2, 2};
  std::optional<std::uint64_t> numbers = std::nullopt;  ///< stand for the digest
};

void add_model(Artifact& artifact, const std::string& path, const std::vector<Made>& tensors) {
  StateDict state;
  state.path = path;
  for (const Made& one : tensors) {
    Tensor tensor;
    tensor.object_path = path.empty() ? one.name : path + "." + one.name;
    tensor.dtype = DType::kFloat32;
    tensor.shape = one.shape;
    tensor.role = TensorRole::kParameter;
    if (one.numbers) {
      tensor.values.emplace();
      tensor.values->digest = Digest{*one.numbers, 0};
    }
    state.entries.push_back({one.name, static_cast<TensorId>(artifact.tensors.size())});
    artifact.tensors.push_back(std::move(tensor));
  }
  artifact.state_dicts.push_back(std::move(state));
}

Artifact artifact_of(const std::vector<Made>& tensors) {
  Artifact artifact;
  add_model(artifact, "", tensors);
  return artifact;
}

Expectation expected(const std::vector<Made>& tensors) {
  const Artifact artifact = artifact_of(tensors);
  return expectation_of(artifact, model_views(artifact).front());
}

std::vector<std::string> told(const Comparison& comparison) {
  std::vector<std::string> out;
  for (const Change& change : comparison.changes) {
    std::string text = std::string(name_of(change.kind)) + " " + change.name;
    if (change.kind == ChangeKind::kMissing && change.moved) {
      text += (change.same_numbers ? " = " : " ~ ") + comparison.model.entries[*change.moved].name;
    }
    out.push_back(std::move(text));
  }
  return out;
}

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("a model that is as expected has no changes") {
  const std::vector<Made> model = {{"a.weight"}, {"b.weight", {3}}};
  const Comparison comparison = compare_with(expected(model), artifact_of(model));
  CHECK(told(comparison).empty());
  CHECK(comparison.same == 2);
  CHECK(comparison.parameters == std::uint64_t{7});
  CHECK(comparison.fit == Compatibility::kCompatible);
}

TEST_CASE("a wrapper or a prefix before all names is one difference") {
  const std::vector<Made> plain = {{"a.weight"}, {"a.bias", {2}}, {"b.weight", {3}}};
  for (const std::string prefix : {"module.", "_orig_mod.", "backbone.", "model.encoder."}) {
    std::vector<Made> wrapped = plain;
    for (Made& one : wrapped) one.name = prefix + one.name;
    for (const bool in_file : {true, false}) {
      const Comparison comparison =
          compare_with(expected(in_file ? plain : wrapped), artifact_of(in_file ? wrapped : plain));
      CHECK(told(comparison).empty());
      CHECK(comparison.same == 3);
      REQUIRE(comparison.renaming);
      CHECK(comparison.renaming->names == 3);
      CHECK(comparison.renaming->is_short());
      CHECK(comparison.fit == Compatibility::kBreaking);
    }
  }
}

TEST_CASE("below a prefix shapes are compared, and what is missing is missing") {
  const Comparison comparison =
      compare_with(expected({{"a.weight"}, {"a.bias", {2}}, {"b.weight", {3}}, {"gone.weight"}}),
                   artifact_of({{"net.a.weight"}, {"net.a.bias", {2}}, {"net.b.weight", {4}}}));
  CHECK(told(comparison) == Told{"shape b.weight", "missing gone.weight"});
  REQUIRE(comparison.renaming);
}

TEST_CASE("one name that ends as another is no prefix") {
  const Comparison comparison =
      compare_with(expected({{"weight"}, {"bias", {2}}}), artifact_of({{"head.weight"}}));
  CHECK_FALSE(comparison.renaming);
  CHECK(told(comparison) ==
        Told{"missing weight ~ head.weight", "missing bias", "unexpected head.weight"});
}

TEST_CASE("what was renamed is told by numbers, else by order or by being the only one") {
  const std::vector<Made> old = {{"a.weight", {2, 2}, 1}, {"b.weight", {2, 2}, 2}, {"c.bias", {3}}};
  SECTION("numbers") {
    const Comparison comparison = compare_with(
        expected(old), artifact_of({{"y.w", {2, 2}, 2}, {"x.w", {2, 2}, 1}, {"z.b", {3}}}));
    CHECK(told(comparison) == Told{"missing a.weight = x.w", "missing b.weight = y.w",
                                   "missing c.bias ~ z.b", "unexpected y.w", "unexpected x.w",
                                   "unexpected z.b"});
  }
  SECTION("order") {
    const Comparison comparison = compare_with(
        expected(old), artifact_of({{"x.weight", {2, 2}, 8}, {"y.weight", {2, 2}, 9}}));
    CHECK(told(comparison) == Told{"missing a.weight ~ x.weight", "missing b.weight ~ y.weight",
                                   "missing c.bias", "unexpected x.weight", "unexpected y.weight"});
  }
  SECTION("as many as there are, but of other names") {
    const Comparison comparison = compare_with(
        expected(old), artifact_of({{"x.kernel", {2, 2}, 8}, {"y.weight", {2, 2}, 9}}));
    CHECK(told(comparison) == Told{"missing a.weight", "missing b.weight", "missing c.bias",
                                   "unexpected x.kernel", "unexpected y.weight"});
  }
}

TEST_CASE("of several models the one with the most names is compared") {
  Artifact artifact;
  add_model(artifact, "netG", {{"a.weight"}, {"b.weight"}, {"c.weight"}});
  add_model(artifact, "netD", {{"x.weight"}, {"y.weight"}});
  const Comparison comparison = compare_with(expected({{"x.weight"}, {"y.weight"}}), artifact);
  CHECK(comparison.model.path == "netD");
  CHECK(told(comparison).empty());

  const Comparison both = compare_with(
      expected({{"netG.a.weight"}, {"netG.b.weight"}, {"netG.c.weight"}, {"netD.x.weight"}}),
      artifact);
  CHECK(told(both) == Told{"unexpected netD.y.weight"});
}

TEST_CASE("the last of two entries with one name counts, as in Python") {
  const Comparison comparison = compare_with(expected({{"a.weight", {4}}}),
                                             artifact_of({{"a.weight", {3}}, {"a.weight", {4}}}));
  CHECK(told(comparison).empty());
}

TEST_CASE("a contract leaves open what it does not say") {
  Expectation contract;
  ExpectedTensor tensor;
  tensor.name = "a.weight";
  tensor.shape = ShapePattern{std::nullopt, 2};
  contract.tensors = {tensor};
  find_plain_names(contract);
  CHECK(told(compare_with(contract, artifact_of({{"a.weight", {7, 2}}}))).empty());
  CHECK(told(compare_with(contract, artifact_of({{"a.weight", {7, 3}}}))) ==
        Told{"shape a.weight"});
  CHECK(told(compare_with(contract, artifact_of({{"a.weight", {7}}}))) == Told{"shape a.weight"});
  contract.tensors.front().shape.reset();
  CHECK(told(compare_with(contract, artifact_of({{"a.weight", {7}}}))).empty());
}

TEST_CASE("a model of many names takes no time, whatever the names are") {
  std::vector<Made> old, renamed;
  for (int i = 0; i < 50'000; ++i) {
    old.push_back({"layers." + std::to_string(i) + ".weight"});
    renamed.push_back({"x." + std::to_string(i) + ".layers.weight"});
  }
  const Comparison comparison = compare_with(expected(old), artifact_of(renamed));
  CHECK(comparison.changes.size() == 100'000);
}

TEST_CASE("weights that are stored in one place count once") {
  Artifact artifact = artifact_of({{"embedding.weight", {5, 4}}, {"head.weight", {5, 4}}});
  artifact.storages.emplace_back();
  for (Tensor& tensor : artifact.tensors) {
    tensor.storage = 0;
    tensor.strides = {4, 1};
  }
  const ModelView view = model_views(artifact).front();
  CHECK(count_parameters(artifact, view.entries) == std::uint64_t{20});
  const Expectation tied = expectation_of(artifact, view);
  CHECK(tied.tensors[1].tied_to == std::size_t{0});
  artifact.storages.emplace_back();
  artifact.tensors[1].storage = 1;
  const Comparison comparison = compare_with(tied, artifact);
  CHECK(told(comparison) == Told{"tie head.weight"});
  CHECK(comparison.fit == Compatibility::kUnknown);
  CHECK(comparison.parameters == std::uint64_t{40});
}

TEST_CASE("sizes that no count can hold are not counted") {
  Artifact artifact = artifact_of({{"a.weight", {INT64_MAX, 4}}});
  CHECK_FALSE(count_parameters(artifact, model_views(artifact).front().entries));
  CHECK(fit_of_types(DType::kFloat32, DType::kUnknown) == Compatibility::kUnknown);
}
