// What counts the steps of a run, what averages a model, and what numbers tell of static
// parameters.
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/series_builder.h"
#include "model/series_counters.h"
#include "unit/catch.h"
#include "unit/changes.h"

using namespace torchvet;

namespace {

/// Builds checkpoints as their pickles would.
class Checkpoint {
 public:
  ObjectId dict(const std::vector<std::pair<std::string, ObjectId>>& items) {
    Object::Dict dict;
    for (const auto& [key, value] : items) {
      dict.items.emplace_back(artifact.objects.add({key, {}}), value);
    }
    return artifact.objects.add({std::move(dict), {}});
  }
  ObjectId number(double value) { return artifact.objects.add({value, {}}); }
  ObjectId list(std::vector<ObjectId> items) {
    return artifact.objects.add({Object::List{std::move(items)}, {}});
  }
  void root(ObjectId id) {
    artifact.pickles.emplace_back();
    artifact.pickles.back().root = id;
  }
  TensorId tensor(std::uint64_t digest, std::vector<std::int64_t> shape = {2, 2}) {
    Tensor tensor;
    tensor.dtype = DType::kFloat32;
    tensor.shape = std::move(shape);
    tensor.role = TensorRole::kParameter;
    tensor.values.emplace();
    tensor.values->computed = kDigest | kMoments;
    tensor.values->digest = Digest{digest, 0};
    tensor.values->count = 1;
    tensor.values->first = static_cast<double>(digest);
    artifact.tensors.push_back(std::move(tensor));
    return static_cast<TensorId>(artifact.tensors.size() - 1);
  }
  void state(std::string path, const std::vector<std::pair<std::string, TensorId>>& entries,
             bool average = false) {
    StateDict state;
    state.path = std::move(path);
    state.is_average = average;
    for (const auto& [name, tensor] : entries) state.entries.push_back({name, tensor});
    artifact.state_dicts.push_back(std::move(state));
  }

  Artifact artifact;
};

Artifact with_optimizers(const std::vector<std::optional<double>>& steps) {
  Artifact artifact;
  for (const auto& step : steps) {
    OptimizerState optimizer;
    optimizer.path = "optimizer" + std::to_string(artifact.optimizers.size());
    optimizer.groups.push_back({{"0", "1"}, {}, 0, {}});
    optimizer.state.push_back({"0", step, {}, {}, {}});
    artifact.optimizers.push_back(std::move(optimizer));
  }
  return artifact;
}

/// Adds checkpoint `i`, compared with the one before.
void add_to(SeriesBuilder& builder, const std::deque<Checkpoint>& files, std::uint64_t i) {
  builder.add(files[i].artifact, std::nullopt,
              i == 0 ? Changes() : changes_of(files[i - 1].artifact, files[i].artifact, builder));
}

using CounterKind = Counter::Kind;

std::vector<Movement> moves(const std::vector<AverageCopy>& copies, std::size_t copy = 0) {
  return copies[copy].members.front().moved;
}

}  // namespace

TEST_CASE("a scheduler is a dict with last_epoch and a count of its steps, wherever it lies") {
  Checkpoint one;
  const ObjectId inner = one.dict({{"last_epoch", one.number(3)}, {"_step_count", one.number(4)}});
  const ObjectId outer = one.dict({{"last_epoch", one.number(7)},
                                   {"_step_count", one.number(8)},
                                   {"_schedulers", one.list({inner})}});
  const ObjectId plateau =
      one.dict({{"last_epoch", one.number(9)}, {"num_bad_epochs", one.number(0)}});
  const ObjectId other = one.dict({{"last_epoch", one.number(5)}});
  one.root(one.dict({{"epoch", one.number(2)},
                     {"lr_schedulers", one.list({outer})},
                     {"plateau", plateau},
                     {"resume", other}}));
  CHECK(counters_of(one.artifact) ==
        std::vector<Counter>{{CounterKind::kStored, "epoch", 2, 0},
                             {CounterKind::kScheduler, "lr_schedulers[0]", 7, 0}});
}

TEST_CASE("a dict that holds itself is looked at once") {
  Checkpoint one;
  const ObjectId self = one.dict({{"step", one.number(1)}});
  std::get<Object::Dict>(one.artifact.objects.at(self).value)
      .items.emplace_back(one.artifact.objects.add({std::string("self"), {}}), self);
  one.root(self);
  CHECK(counters_of(one.artifact) == std::vector<Counter>{{CounterKind::kStored, "step", 1, 0}});
}

TEST_CASE("an optimizer that counts nothing leaves all of them out") {
  CHECK(counters_of(with_optimizers({4.0, 9.0})) ==
        std::vector<Counter>{{CounterKind::kOptimizer, "optimizer0", 4, 2},
                             {CounterKind::kOptimizer, "optimizer1", 9, 2}});
  CHECK(counters_of(with_optimizers({4.0, std::nullopt})).empty());
  CHECK(counters_of(with_optimizers({std::nullopt, 4.0})).empty());
}

TEST_CASE("an average is followed by the end of its names, and counts beside its tensors") {
  std::deque<Checkpoint> files(3);
  SeriesBuilder builder("the order given");
  for (std::uint64_t i = 0; i < files.size(); ++i) {
    Checkpoint& one = files[i];
    one.root(one.dict({{"updates", one.number(static_cast<double>(i))}}));
    one.state("model", {{"a.weight", one.tensor(i)}});
    one.state("ema", {{"n_averaged", one.tensor(10 * i)}, {"module.a.weight", one.tensor(i / 2)}},
              true);
    one.state("swa", {{"a.weight", one.tensor(7, {4})}}, true);
    one.state("avg",
              {{"online_model.a.weight", one.tensor(i)}, {"ema_model.a.weight", one.tensor(9)}},
              true);
    add_to(builder, files, i);
  }
  const Series series = builder.series(files.back().artifact);
  REQUIRE(series.averages.size() == 3);
  CHECK(series.averages[0].path == "avg");
  CHECK(moves(series.averages, 0) ==
        std::vector<Movement>{Movement::kUnknown, Movement::kSame, Movement::kSame});
  CHECK(series.averages[1].path == "ema");
  CHECK(moves(series.averages, 1) ==
        std::vector<Movement>{Movement::kUnknown, Movement::kSame, Movement::kMoved});
  CHECK(series.averages[1].updates == std::vector<std::optional<double>>{0.0, 10.0, 20.0});
  CHECK(series.averages[2].members.empty());  // another shape
  CHECK(series.averages[2].updates == std::vector<std::optional<double>>{0.0, 1.0, 2.0});
}

TEST_CASE("an average that a checkpoint lacks is not compared over the gap") {
  std::deque<Checkpoint> files(3);
  SeriesBuilder builder("the order given");
  for (std::uint64_t i = 0; i < files.size(); ++i) {
    files[i].state("model", {{"a.weight", files[i].tensor(i)}});
    if (i != 1) files[i].state("ema", {{"a.weight", files[i].tensor(i)}}, true);
    add_to(builder, files, i);
  }
  CHECK(moves(builder.series(files.back().artifact).averages) ==
        std::vector<Movement>(3, Movement::kUnknown));
}

TEST_CASE("the number of listed parameters tells what is not among them") {
  using C = StaticCause;
  // Two modules: both parameters of `a` may move, those of `b` are static.
  const auto causes = [](std::size_t listed, bool bias_moves, double rate) {
    std::deque<Checkpoint> files(2);
    SeriesBuilder builder("the order given");
    for (std::uint64_t i = 0; i < files.size(); ++i) {
      Checkpoint& one = files[i];
      one.state("", {{"a.weight", one.tensor(i)},
                     {"a.bias", one.tensor(bias_moves ? i : 5, {2})},
                     {"b.weight", one.tensor(5)},
                     {"b.bias", one.tensor(5, {2})}});
      OptimizerState sgd;
      sgd.groups.push_back({{}, {}, 0, {{"lr", 0.1}}});
      sgd.groups.push_back({{}, {}, 0, {{"lr", rate}}});
      for (std::size_t n = 0; n < listed; ++n) {
        sgd.groups[n < 2 ? 0 : 1].params.push_back(std::to_string(n));
      }
      one.artifact.optimizers.push_back(std::move(sgd));
      add_to(builder, files, i);
    }
    std::vector<C> found;
    for (const Track& track : builder.series(files.back().artifact).tracks) {
      if (movement(track) == Movement::kSame) found.push_back(track.cause);
    }
    return found;
  };
  CHECK(causes(2, true, 0.1) == std::vector<C>{C::kNotInOptimizer, C::kNotInOptimizer});
  CHECK(causes(4, true, 0.1) == std::vector<C>{C::kNeverChanged, C::kNeverChanged});
  CHECK(causes(4, true, 0.0) == std::vector<C>{C::kZeroLearningRate, C::kZeroLearningRate});
  CHECK(causes(3, true, 0.1) == std::vector<C>{C::kUnknown, C::kUnknown});
  // A bias beside a weight that moves is most likely listed with it.
  CHECK(causes(2, false, 0.1) ==
        std::vector<C>{C::kNeverChanged, C::kNotInOptimizer, C::kNotInOptimizer});
  CHECK(causes(4, false, 0.0) ==
        std::vector<C>{C::kNeverChanged, C::kZeroLearningRate, C::kZeroLearningRate});
}

TEST_CASE("a file with more optimizers or averages than any training has costs little") {
  Artifact many = with_optimizers(std::vector<std::optional<double>>(5000, 1.0));
  CHECK(counters_of(many).empty());
  Checkpoint one;
  one.state("model", {{"a.weight", one.tensor(1)}});
  for (int i = 0; i < 5000; ++i) one.state("ema" + std::to_string(i), {{"a.weight", 0}}, true);
  SeriesBuilder builder("the order given");
  builder.add(one.artifact, std::nullopt, {});
  CHECK(builder.series(one.artifact).averages.size() == 16);
}
