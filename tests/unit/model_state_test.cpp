// What a checkpoint's object tree means: which mapping is the model, which the optimizer.
#include "model/model_state.h"

#include "model/artifact.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

struct Builder {
  Artifact artifact;

  template <typename T>
  ObjectId add(T value) {
    Object object;
    object.value = std::move(value);
    return artifact.objects.add(std::move(object));
  }
  ObjectId str(std::string text) { return add(std::move(text)); }
  ObjectId tensor(std::vector<std::int64_t> shape, DType dtype = DType::kFloat32) {
    Tensor made;
    made.shape = std::move(shape);
    made.dtype = dtype;
    artifact.tensors.push_back(std::move(made));
    return add(Object::TensorRef{static_cast<TensorId>(artifact.tensors.size() - 1)});
  }
  ObjectId dict(std::vector<std::pair<std::string, ObjectId>> items) {
    Object::Dict made;
    for (auto& [key, value] : items) made.items.emplace_back(str(key), value);
    return add(std::move(made));
  }
  ObjectId list(std::vector<ObjectId> items) { return add(Object::List{std::move(items)}); }
};

}  // namespace

TEST_CASE("a checkpoint's model, average and optimizer are told apart, the model first") {
  Builder b;
  const ObjectId ema = b.dict({{"fc.weight", b.tensor({8, 8})}});
  const ObjectId model =
      b.dict({{"fc.weight", b.tensor({4, 4})}, {"bn.running_mean", b.tensor({4})}});
  Object::Dict slots;
  slots.items.emplace_back(b.add(std::int64_t{0}),
                           b.dict({{"step", b.add(3.0)}, {"exp_avg", b.tensor({4, 4})}}));
  const ObjectId group = b.dict({{"lr", b.add(0.5)}, {"params", b.list({b.add(std::int64_t{0})})}});
  const ObjectId optimizer =
      b.dict({{"state", b.add(std::move(slots))}, {"param_groups", b.list({group})}});
  const ObjectId root = b.dict({{"model_ema", ema},
                                {"nested", b.list({b.dict({{"net", model}})})},
                                {"opt", optimizer},
                                {"epoch", b.add(std::int64_t{3})}});
  describe_objects(b.artifact, root);

  REQUIRE(b.artifact.state_dicts.size() == 2);
  CHECK(b.artifact.state_dicts[0].path == "nested[0].net");
  CHECK_FALSE(b.artifact.state_dicts[0].is_average);
  CHECK(b.artifact.state_dicts[1].is_average);
  REQUIRE(b.artifact.optimizers.size() == 1);
  const OptimizerState& read = b.artifact.optimizers[0];
  CHECK(read.path == "opt");
  CHECK(read.groups[0].params == std::vector<ParameterKey>{"0"});
  CHECK(read.groups[0].numbers[0] == std::pair<std::string, double>("lr", 0.5));
  CHECK(read.state[0].step == 3.0);
  REQUIRE(read.state[0].slots.size() == 1);
  CHECK(read.state[0].slots[0].first == "exp_avg");
  CHECK(b.artifact.kind == Kind::kCheckpoint);
  CHECK(b.artifact.tensors[1].role == TensorRole::kParameter);
  CHECK(b.artifact.tensors[2].role == TensorRole::kBuffer);
  CHECK(b.artifact.tensors[3].role == TensorRole::kOptimizer);
}

TEST_CASE("a state_dict at the root needs no name; a few tensors inside a dict need one") {
  Builder b;
  describe_objects(b.artifact, b.dict({{"w", b.tensor({2})}, {"step", b.add(std::int64_t{1})}}));
  CHECK(b.artifact.kind == Kind::kStateDict);
  Builder inner;
  const ObjectId statistics = inner.dict({{"mean", inner.tensor({3})}});
  describe_objects(inner.artifact, inner.dict({{"data", statistics}, {"x", inner.list({})}}));
  CHECK(inner.artifact.state_dicts.empty());
  CHECK(inner.artifact.kind == Kind::kTensors);
}

TEST_CASE("integers alone, and keys that are no text, are no state_dict") {
  Builder b;
  describe_objects(b.artifact, b.dict({{"input_ids", b.tensor({2}, DType::kInt64)}}));
  CHECK(b.artifact.state_dicts.empty());
  Builder numbered;
  Object::Dict dict;
  dict.items.emplace_back(numbered.add(std::int64_t{0}), numbered.tensor({2}));
  describe_objects(numbered.artifact, numbered.add(std::move(dict)));
  CHECK(numbered.artifact.state_dicts.empty());
}

TEST_CASE("an empty state_dict is one when its metadata survived") {
  Builder b;
  Object::Call call;
  call.callable = b.add(Object::Global{"collections", "OrderedDict"});
  call.arguments = b.add(Object::Tuple{});
  call.state = b.dict({{"_metadata", b.dict({{"", b.dict({})}, {"act", b.dict({})}})}});
  describe_objects(b.artifact, b.add(std::move(call)));
  REQUIRE(b.artifact.state_dicts.size() == 1);
  CHECK(b.artifact.state_dicts[0].entries.empty());
  CHECK(b.artifact.state_dicts[0].modules == std::vector<std::string>{"", "act"});
}

TEST_CASE("a mapping that contains itself is walked once") {
  Builder b;
  const ObjectId root = b.dict({{"model", b.tensor({2})}});
  const ObjectId key = b.str("self");
  b.artifact.objects.at(root).as<Object::Dict>()->items.emplace_back(key, root);
  describe_objects(b.artifact, root);
  CHECK(b.artifact.state_dicts.empty());
}

TEST_CASE("names are taken apart at the last dot") {
  CHECK(module_of("a.b.weight") == "a.b");
  CHECK(module_of("weight").empty());
  CHECK(leaf_of("a.b.weight") == "weight");
  CHECK(is_buffer_like("bn.running_var"));
  CHECK_FALSE(is_buffer_like("running_var.weight"));
}
