// The order of a series, what moves in it, and what a static parameter tells of itself.
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/name_groups.h"
#include "model/series.h"
#include "model/series_builder.h"
#include "model/series_order.h"
#include "model/series_peers.h"
#include "unit/catch.h"
#include "unit/changes.h"

using namespace torchvet;

namespace {

struct NamedValue {
  std::string name;
  std::uint64_t value = 0;  ///< stands for the digest
};

/// A checkpoint whose main pickle is {keys...} and whose model has the given float32 [2, 2]
/// tensors.
Artifact checkpoint(std::string path, const std::vector<NamedValue>& tensors,
                    const std::vector<std::pair<std::string, double>>& numbers = {}) {
  Artifact artifact;
  artifact.source.path = std::move(path);
  Object::Dict dict;
  for (const auto& [key, number] : numbers) {
    const ObjectId name = artifact.objects.add({key, {}});
    dict.items.emplace_back(name, artifact.objects.add({number, {}}));
  }
  PickleProgram pickle;
  pickle.root = artifact.objects.add({std::move(dict), {}});
  artifact.pickles.push_back(std::move(pickle));
  StateDict state;
  for (const NamedValue& one : tensors) {
    Tensor tensor;
    tensor.object_path = one.name;
    tensor.dtype = DType::kFloat32;
    tensor.shape = {2, 2};
    tensor.role = is_buffer_like(one.name) ? TensorRole::kBuffer : TensorRole::kParameter;
    tensor.values.emplace();
    tensor.values->computed = kDigest;
    tensor.values->digest = Digest{one.value, 0};
    state.entries.push_back({one.name, static_cast<TensorId>(artifact.tensors.size())});
    artifact.tensors.push_back(std::move(tensor));
  }
  artifact.state_dicts.push_back(std::move(state));
  return artifact;
}

Series series_of(const std::deque<Artifact>& artifacts) {
  std::vector<SeriesPlace> places;
  for (const Artifact& artifact : artifacts) places.push_back(place_of(artifact));
  const SeriesOrder order = order_series(places);
  SeriesBuilder builder(order.text);
  for (std::size_t i = 0; i < order.index.size(); ++i) {
    const Artifact& next = artifacts[order.index[i]];
    builder.add(next, order.steps[i],
                i == 0 ? Changes() : changes_of(artifacts[order.index[i - 1]], next, builder));
  }
  return builder.series(artifacts[order.index.back()]);
}

std::vector<std::string> paths(const Series& series) {
  std::vector<std::string> all;
  for (const auto& snapshot : series.snapshots) all.push_back(snapshot.path);
  return all;
}

std::vector<std::string> names(const Series& series) {
  std::vector<std::string> all;
  for (const Track& track : series.tracks) all.push_back(track.name);
  return all;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("a number stored in every file orders before one in the names") {
  const std::deque<Artifact> files = {checkpoint("1.pt", {}, {{"epoch", 3}}),
                                      checkpoint("2.pt", {}, {{"epoch", 1}}),
                                      checkpoint("3.pt", {}, {{"epoch", 2}})};
  const Series series = series_of(files);
  CHECK(paths(series) == Paths{"2.pt", "3.pt", "1.pt"});
  CHECK(series.order == "`epoch` in the files");
  CHECK(series.snapshots[0].step == 1.0);
}

TEST_CASE("a stored number that repeats, or that some file lacks, orders nothing") {
  const std::deque<Artifact> files = {
      checkpoint("b_20.pt", {}, {{"step", 7}, {"epoch", 1}}),
      checkpoint("a_10.pt", {}, {{"step", 7}}),
  };
  const Series series = series_of(files);
  CHECK(paths(series) == Paths{"a_10.pt", "b_20.pt"});
  CHECK(series.order == "the numbers in the names");
}

TEST_CASE("numbers in names: a progress word wins, a score never orders, folders count last") {
  const auto order = [](const Paths& given) {
    std::deque<Artifact> files;
    for (const std::string& path : given) files.push_back(checkpoint(path, {}));
    return paths(series_of(files));
  };
  CHECK(order({"epoch=2-loss=3.ckpt", "epoch=10-loss=1.ckpt"}) ==
        Paths{"epoch=2-loss=3.ckpt", "epoch=10-loss=1.ckpt"});
  CHECK(order({"gpt2-9-0.50.pt", "gpt2-11-0.40.pt"}) == Paths{"gpt2-9-0.50.pt", "gpt2-11-0.40.pt"});
  CHECK(order({"run/checkpoint-20/model.bin", "run/checkpoint-3/model.bin"}) ==
        Paths{"run/checkpoint-3/model.bin", "run/checkpoint-20/model.bin"});
  CHECK(order({"z.pt", "a.pt"}) == Paths{"z.pt", "a.pt"});
  CHECK(series_of({checkpoint("z.pt", {}), checkpoint("a.pt", {})}).order == "the order given");
}

TEST_CASE("a number of a folder is not held to one of a file's name") {
  const std::deque<Artifact> files = {checkpoint("run7/last.pt", {}),
                                      checkpoint("run7/step_3.pt", {}),
                                      checkpoint("run7/step_9.pt", {})};
  CHECK(series_of(files).order == "the order given");
}

TEST_CASE("a number that some share orders when nothing orders them all") {
  const auto ordered = [](const std::vector<std::vector<std::pair<std::string, double>>>& numbers) {
    std::deque<Artifact> files;
    for (const char* name : {"best.pt", "first.pt", "second.pt"}) {
      files.push_back(checkpoint(name, {}, numbers[files.size()]));
    }
    const Series series = series_of(files);
    Paths found = paths(series);
    found.push_back(series.order);
    return found;
  };
  CHECK(ordered({{{"global_step", 2}}, {{"global_step", 1}}, {{"global_step", 2}}}) ==
        Paths{"first.pt", "best.pt", "second.pt", "`global_step` in the files"});
  // The same step of two epochs is another place.
  CHECK(ordered({{{"step", 9}, {"epoch", 2}},
                 {{"step", 9}, {"epoch", 1}},
                 {{"step", 5}, {"epoch", 2}}}) ==
        Paths{"first.pt", "best.pt", "second.pt", "`epoch` in the files"});
  CHECK(ordered({{{"step", 9}}, {{"step", 9}}, {{"step", 9}}}).back() == "the order given");
}

TEST_CASE("a tensor that is missing or of another shape is not comparable") {
  std::deque<Artifact> files = {checkpoint("1.pt", {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}),
                                checkpoint("2.pt", {{"a", 1}, {"b", 2}, {"d", 1}})};
  files[1].tensors[2].shape = {4, 1};
  const Series series = series_of(files);
  std::map<std::string, Movement> found;
  for (const Track& track : series.tracks) found[track.name] = movement(track);
  CHECK(found == std::map<std::string, Movement>{{"a", Movement::kSame},
                                                 {"b", Movement::kMoved},
                                                 {"c", Movement::kUnknown},
                                                 {"d", Movement::kUnknown}});
}

TEST_CASE("a wrapper's prefix before every name is no other name, before some it is") {
  const std::deque<Artifact> wrapped = {
      checkpoint("1.pt", {{"fc.weight", 1}, {"fc.bias", 1}}),
      checkpoint("2.pt", {{"module._orig_mod.fc.weight", 2}, {"module._orig_mod.fc.bias", 1}})};
  CHECK(names(series_of(wrapped)) == std::vector<std::string>{"fc.weight", "fc.bias"});

  const std::deque<Artifact> own = {checkpoint("1.pt", {{"module.weight", 1}, {"head", 1}}),
                                    checkpoint("2.pt", {{"module.weight", 1}, {"head", 1}})};
  CHECK(names(series_of(own)) == std::vector<std::string>{"module.weight", "head"});
}

TEST_CASE("training advanced when steps rise or batch norm counts") {
  const auto advanced = [](const std::deque<Artifact>& files) {
    return training_advanced(series_of(files));
  };
  CHECK(advanced({checkpoint("a.pt", {{"w", 1}}, {{"step", 1}}),
                  checkpoint("b.pt", {{"w", 1}}, {{"step", 2}})}));
  CHECK(advanced({checkpoint("a.pt", {{"bn.num_batches_tracked", 1}}),
                  checkpoint("b.pt", {{"bn.num_batches_tracked", 2}})}));
  CHECK_FALSE(advanced({checkpoint("a.pt", {{"w", 1}}), checkpoint("b.pt", {{"w", 2}})}));
}

TEST_CASE("a parameter is called unlisted only when no listed one can be it") {
  using C = StaticCause;
  const auto cause = [](const std::vector<std::vector<std::int64_t>>& listed) {
    std::deque<Artifact> files = {checkpoint("1.pt", {{"a", 1}, {"b", 1}, {"c", 1}})};
    Artifact& file = files.front();
    file.tensors[0].shape = file.tensors[1].shape = {2, 2};
    file.tensors[2].shape = {3, 3};
    OptimizerState optimizer;
    optimizer.groups.emplace_back();
    for (std::size_t i = 0; i < listed.size(); ++i) {
      const ParameterKey key = std::to_string(i);
      optimizer.groups.front().params.push_back(key);
      if (listed[i].empty()) continue;
      Tensor slot;
      slot.shape = listed[i];
      slot.dtype = DType::kFloat32;
      optimizer.state.push_back({key, 1.0, {}, {{"exp_avg", static_cast<TensorId>(3 + i)}}});
      file.tensors.push_back(slot);
    }
    file.optimizers.push_back(optimizer);
    std::vector<C> causes;
    for (const Track& track : series_of(files).tracks) causes.push_back(track.cause);
    return causes;
  };
  CHECK(cause({{2, 2}}) == std::vector<C>{C::kUnknown, C::kUnknown, C::kNotInOptimizer});
  CHECK(cause({{2, 2}, {2, 2}}) == std::vector<C>{C::kUnknown, C::kUnknown, C::kNotInOptimizer});
  CHECK(cause({{2, 2}, {2, 2}, {}}) == std::vector<C>{C::kUnknown, C::kUnknown, C::kNoGradient});
}

TEST_CASE("tensors stand in the order of the newest checkpoint that has them") {
  const std::deque<Artifact> files = {checkpoint("1.pt", {{"gone", 1}, {"a", 1}, {"b", 1}}),
                                      checkpoint("2.pt", {{"b", 1}, {"new", 1}, {"a", 1}})};
  const Series series = series_of(files);
  CHECK(names(series) == std::vector<std::string>{"b", "new", "a", "gone"});
  CHECK_FALSE(series.tracks[1].points[0].form);
  CHECK_FALSE(series.tracks[3].points[1].form);
}

TEST_CASE("tensors are paired by name, each with the checkpoint before") {
  const std::deque<Artifact> files = {checkpoint("1.pt", {{"a", 1}, {"b", 1}, {"c", 1}}),
                                      checkpoint("2.pt", {{"c", 1}, {"b", 2}, {"a", 3}}),
                                      checkpoint("3.pt", {{"c", 4}, {"b", 2}, {"a", 3}})};
  SeriesBuilder builder("the order given");
  std::vector<std::vector<TensorPair>> pairs;
  for (std::size_t i = 0; i < files.size(); ++i) {
    pairs.push_back(builder.pairs(files[i]));
    builder.add(files[i], std::nullopt,
                i == 0 ? Changes() : changes_of(files[i - 1], files[i], builder));
  }
  using Pairs = std::vector<TensorPair>;
  CHECK(pairs == std::vector<Pairs>{{}, {{2, 0}, {1, 1}, {0, 2}}, {{0, 0}, {1, 1}, {2, 2}}});
  std::vector<std::vector<Movement>> moved;
  for (const Track& track : builder.series(files.back()).tracks) {
    moved.push_back({movement(track, 1), movement(track, 2)});
  }
  CHECK(moved == std::vector<std::vector<Movement>>{{Movement::kSame, Movement::kMoved},
                                                    {Movement::kMoved, Movement::kSame},
                                                    {Movement::kMoved, Movement::kSame}});
}

TEST_CASE("what is compared is not counted again, nor paired when its form is another") {
  std::deque<Artifact> files = {checkpoint("1.pt", {{"a", 1}, {"b", 1}, {"c", 1}}),
                                checkpoint("2.pt", {{"a", 2}, {"b", 2}, {"new", 2}})};
  files[1].tensors[1].dtype = DType::kFloat16;
  SeriesBuilder builder("the order given");
  builder.add(files[0], std::nullopt, {});
  REQUIRE(builder.pairs(files[1]) == std::vector<TensorPair>{{0, 0}});
  const Changes found = {{{0, 0}, {.same = false, .not_finite = 7, .sums = PairFacts{4, 9, 1, 6}}}};
  const auto planned = [&](const Changes& changes) {
    std::vector<TensorId> tensors;
    for (const ValuePlan::Item& item : series_plan(files[1], changes).items) {
      tensors.push_back(item.tensor);
    }
    return tensors;
  };
  CHECK(planned(found) == std::vector<TensorId>{1, 2});
  CHECK(planned({}) == std::vector<TensorId>{0, 1, 2});
  files[1].tensors[1].values->computed = kMoments;
  files[1].tensors[1].values->nan = 3;
  builder.add(files[1], std::nullopt, found);
  const Series series = builder.series(files[1]);
  REQUIRE(names(series) == std::vector<std::string>{"a", "b", "new", "c"});
  const auto point = [&](std::size_t track) { return series.tracks[track].points[1]; };
  CHECK(point(0).moved == Movement::kMoved);
  CHECK(point(0).counted);
  CHECK(point(0).not_finite == 7);
  CHECK(point(0).growth == 1.5F);
  CHECK(point(0).update == 0.5F);
  CHECK(point(0).cosine == 1.0F);
  CHECK(point(1).moved == Movement::kUnknown);
  CHECK(point(1).not_finite == 3);
  CHECK(point(2).moved == Movement::kUnknown);
  CHECK_FALSE(point(2).counted);
}

TEST_CASE("the median of the others leaves one matrix out, and needs two others") {
  std::deque<Artifact> files = {checkpoint("1.pt", {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}),
                                checkpoint("2.pt", {{"a", 2}, {"b", 2}, {"c", 2}, {"d", 1}})};
  SeriesBuilder builder("the order given");
  builder.add(files[0], std::nullopt, {});
  Changes found = changes_of(files[0], files[1], builder);
  double growth = 1;
  for (auto& [pair, change] : found) {
    if (!change.same) change.sums = PairFacts{1, growth * growth, 0, 0};
    growth *= 10;
  }
  builder.add(files[1], std::nullopt, found);
  const Series series = builder.series(files[1]);
  const MatrixPeers peers(series, 1, &TrackPoint::growth);
  REQUIRE(peers.all().size() == 3);  // d did not move
  CHECK(peers.median_without(1) == 100.0);
  CHECK(peers.median_without(10) == 100.0);
  CHECK(peers.median_without(100) == 10.0);
  files[1].state_dicts[0].entries.pop_back();
  files[1].state_dicts[0].entries.pop_back();
  const MatrixPeers few(series_of(files), 1, &TrackPoint::growth);
  CHECK(few.all().empty());
  CHECK_FALSE(few.median_without(1));
}

TEST_CASE("a point takes 28 bytes") { CHECK(sizeof(TrackPoint) == 28); }

TEST_CASE("an interval is early when it is as long as all that went before") {
  Series series;
  const auto early = [&](std::optional<double> from, std::optional<double> to) {
    series.snapshots = {{.path = "a", .step = from}, {.path = "b", .step = to}};
    return is_early(series, 1);
  };
  CHECK(early(0, 100));
  CHECK(early(100, 200));
  CHECK_FALSE(early(101, 200));
  CHECK_FALSE(early(std::nullopt, 200));
  CHECK_FALSE(early(0, std::nullopt));
}

TEST_CASE("a point keeps what was compared, in single precision, and what it means") {
  std::deque<Artifact> files = {checkpoint("1.pt", {{"a", 1}, {"b", 1}, {"same", 1}}),
                                checkpoint("2.pt", {{"a", 2}, {"b", 2}, {"same", 1}})};
  for (Artifact& file : files) file.tensors[0].shape = {16, 16};
  SeriesBuilder builder("the order given");
  builder.add(files[0], std::nullopt, {});
  Changes found = changes_of(files[0], files[1], builder);
  for (auto& [pair, change] : found) change.sums = PairFacts{256, 1024, 1280, 51.2};
  found.at({0, 0}).not_finite = std::uint64_t{1} << 32;
  builder.add(files[1], std::nullopt, found);
  REQUIRE(builder.replaced().size() == 1);  // b is too small
  CHECK(builder.replaced().front().tensor == 0);
  builder.set_drawn(builder.replaced().front());
  const Series series = builder.series(files.back());
  const TrackPoint &a = series.tracks[0].points[1], &b = series.tracks[1].points[1];
  CHECK(a.growth == 2.0F);
  CHECK(a.cosine == 0.1F);
  CHECK(a.replaced);
  CHECK(a.drawn);
  CHECK(a.not_finite == UINT32_MAX);
  CHECK_FALSE(b.replaced);
  CHECK_FALSE(b.drawn);
  CHECK(series.tracks[2].points[1].update == 0.0F);
  CHECK(std::isnan(series.tracks[2].points[1].growth));
  CHECK(std::isnan(series.tracks[0].points[0].update));
  builder.add(files.back(), std::nullopt, changes_of(files.back(), files.back(), builder));
  CHECK(builder.replaced().empty());
  const Series later = builder.series(files.back());
  CHECK(later.tracks[0].points[1].growth == 2.0F);
  CHECK(later.tracks[0].points[2].moved == Movement::kSame);
}

TEST_CASE("marked names are grouped by the largest module that is marked throughout") {
  const std::vector<MarkedName> names = {
      {"a.0.weight", true}, {"a.0.bias", true}, {"a.1.weight", true}, {"a.1.bias", true},
      {"b.weight", true},   {"b.bias", false},  {"scale", true},      {"shift", true}};
  const std::vector<NameGroup> groups = group_marked(names);
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].module == "a");
  CHECK(groups[0].members == std::vector<std::size_t>{0, 1, 2, 3});
  CHECK(groups[1].members == std::vector<std::size_t>{4});
  CHECK(groups[2].members == std::vector<std::size_t>{6});
  CHECK(groups[3].members == std::vector<std::size_t>{7});
}
