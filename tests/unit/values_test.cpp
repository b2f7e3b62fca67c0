// The value pass against torch: tests/data/values was made by torch, which also said what it sees
// in each tensor (see make.py there).
#include "values/values.h"

#include <libdeflate.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "core/digest.h"
#include "unit/catch.h"

namespace torchvet {
namespace {

std::string file(const std::string& name) {
  std::ifstream in(std::string(TORCHVET_TEST_DATA) + "/values/" + name, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string& blob() {
  static const std::string kBlob = file("values.bin");
  return kBlob;
}

const nlohmann::json& cases() {
  static const nlohmann::json kCases = nlohmann::json::parse(file("cases.json"));
  return kCases;
}

ByteView bytes_at(const nlohmann::json& place) {
  return {reinterpret_cast<const std::uint8_t*>(blob().data()) + place[0].get<std::uint64_t>(),
          place[1].get<std::uint64_t>(), place[0].get<std::uint64_t>()};
}

Digest digest_of(ByteView bytes) {
  Digester digester;
  digester.update(bytes.data(), bytes.size());
  return digester.finish();
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// An artifact of one storage.
Artifact artifact_of(ByteView storage, DType dtype) {
  Artifact artifact;
  artifact.storages.push_back({.key = "0",
                               .dtype = dtype,
                               .declared_bytes = storage.size(),
                               .present = true,
                               .bytes = storage});
  return artifact;
}

TensorId add_tensor(Artifact& artifact, std::string path, DType dtype,
                    std::vector<std::int64_t> shape, std::vector<std::int64_t> strides,
                    std::int64_t offset = 0) {
  Tensor tensor;
  tensor.object_path = std::move(path);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.strides = std::move(strides);
  tensor.storage_offset = offset;
  tensor.storage = 0;
  artifact.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(artifact.tensors.size() - 1);
}

Artifact artifact_of(const nlohmann::json& number) {
  const DType dtype = dtype_from_name(number["dtype"].get<std::string>()).value();
  Artifact artifact = artifact_of(bytes_at(number["storage"]), dtype);
  add_tensor(artifact, "t", dtype, number["shape"], number["strides"], number["offset"]);
  artifact.tensors[0].conjugate = number["conjugate"];
  artifact.tensors[0].negative = number["negative"];
  return artifact;
}

void compute(Artifact& artifact, Quantities quantities, const Limits& limits = {}) {
  ValuePlan plan;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) plan.items.push_back({id, quantities});
  compute_values(artifact, plan, limits);
}

}  // namespace

TEST_CASE("digests are of the contiguous bytes torch would make") {
  for (const nlohmann::json& number : cases()["numbers"]) {
    INFO(number["name"].get<std::string>());
    Artifact artifact = artifact_of(number);
    compute(artifact, kDigest);
    REQUIRE(artifact.tensors[0].values);
    CHECK(artifact.tensors[0].values->digest == digest_of(bytes_at(number["logical"])));
    CHECK(artifact.gaps.empty());
  }
}

TEST_CASE("counts and extremes are those of torch") {
  for (const nlohmann::json& number : cases()["numbers"]) {
    INFO(number["name"].get<std::string>());
    Artifact artifact = artifact_of(number);
    compute(artifact, kMoments);
    REQUIRE(artifact.tensors[0].values);
    const ValueFacts& facts = *artifact.tensors[0].values;
    const nlohmann::json& torch = number["moments"];
    CHECK(facts.computed == kMoments);
    CHECK(facts.numbers == torch["numbers"]);
    CHECK(facts.nan == torch["nan"]);
    CHECK(facts.positive_infinity == torch["positive_infinity"]);
    CHECK(facts.negative_infinity == torch["negative_infinity"]);
    CHECK(facts.zero == torch["zero"]);
    CHECK(facts.min == torch["min"].get<double>());
    CHECK(facts.max == torch["max"].get<double>());
    CHECK(facts.all_equal == torch["all_equal"]);
  }
}

TEST_CASE("initial values are recognised, trained and foreign ones are not") {
  for (const nlohmann::json& drawn : cases()["fingerprints"]) {
    INFO(drawn["name"].get<std::string>());
    const std::vector<std::int64_t> shape = drawn["shape"];
    Artifact artifact = artifact_of(bytes_at(drawn["data"]), DType::kFloat32);
    const TensorId id =
        add_tensor(artifact, drawn["path"], DType::kFloat32, shape, contiguous_strides(shape));
    for (const auto& [path, sibling] : drawn["siblings"].items()) {
      add_tensor(artifact, path, DType::kFloat32, sibling, {});
    }
    compute_values(artifact, {.items = {{id, kFingerprint}}}, {});
    REQUIRE(artifact.tensors[id].values);
    const std::optional<FingerprintEvidence>& found = artifact.tensors[id].values->fingerprint;
    const std::string expected = drawn["expected"];
    CHECK(found.has_value() == (expected != "unknown"));
    if (!found) continue;
    CHECK(name_of(found->kind) == expected);
    if (expected == "uniform") {
      CHECK(found->matched == found->tested);
      CHECK(found->tested >= 12);
      CHECK(found->bound > 0);
    }
  }
}

TEST_CASE("a mark is found across the pieces of a large tensor, and a few elements end it") {
  std::vector<float> drawn(400'000);
  const float bound = 0.1f;  // 1/sqrt(100)
  for (std::uint64_t i = 0; i < drawn.size(); ++i) {
    const double k = static_cast<double>(i * 2654435761u & 0xffffff);
    drawn[i] = static_cast<float>(k * 0x1p-24 * (2.0 * static_cast<double>(bound)) -
                                  static_cast<double>(bound));
  }
  const auto found = [&] {
    Artifact artifact = artifact_of(ByteView(reinterpret_cast<const std::uint8_t*>(drawn.data()),
                                             drawn.size() * sizeof(float), 0),
                                    DType::kFloat32);
    add_tensor(artifact, "fc.weight", DType::kFloat32, {4000, 100}, {100, 1});
    compute(artifact, kFingerprint);
    return artifact.tensors[0].values->fingerprint.value();
  };
  CHECK(found().kind == InitFingerprint::kUniform);
  CHECK(found().tested > 90'000);
  CHECK(found().bound == 0.1);
  // A single foreign number may lie on the grid by chance, twenty do not.
  for (std::uint64_t i = 0; i < 20; ++i)
    drawn[390'000 + i] = 0.000123456f * static_cast<float>(i + 1);
  CHECK(found().kind == InitFingerprint::kNone);
}

TEST_CASE("a big-endian storage is swapped") {
  const std::string bytes{"\x3f\x80\x00\x00\x40\x00\x00\x00", 8};
  Artifact artifact = artifact_of(
      ByteView(reinterpret_cast<const std::uint8_t*>(bytes.data()), 8, 0), DType::kFloat32);
  artifact.storages[0].big_endian = true;
  add_tensor(artifact, "t", DType::kFloat32, {2}, {1});
  compute(artifact, kMoments);
  CHECK(artifact.tensors[0].values->min == 1.0);
  CHECK(artifact.tensors[0].values->max == 2.0);
}

TEST_CASE("a tensor that reaches outside its storage leaves a gap and is not read") {
  const std::uint8_t bytes[16] = {};
  Artifact artifact = artifact_of(ByteView(bytes, 16, 0), DType::kFloat32);
  add_tensor(artifact, "inside", DType::kFloat32, {2, 2}, {2, 1});
  add_tensor(artifact, "one.too.many", DType::kFloat32, {5}, {1});
  add_tensor(artifact, "stride", DType::kFloat32, {2}, {INT64_MAX});
  add_tensor(artifact, "offset", DType::kFloat32, {1}, {1}, INT64_MAX);
  add_tensor(artifact, "negative.size", DType::kFloat32, {-1}, {1});
  add_tensor(artifact, "negative.stride", DType::kFloat32, {2}, {-1});
  add_tensor(artifact, "wide", DType::kComplex128, {1, 2}, {1, 1});
  compute(artifact, kDigest | kMoments | kFingerprint);
  CHECK(artifact.tensors[0].values.has_value());
  for (std::size_t i = 1; i < artifact.tensors.size(); ++i) {
    CHECK_FALSE(artifact.tensors[i].values.has_value());
  }
  CHECK(artifact.gaps.size() == artifact.tensors.size() - 1);
  CHECK(artifact.gaps.front().what == "values of one.too.many");
}

TEST_CASE("a tensor without bytes in the file leaves a gap, one on meta none") {
  Artifact artifact = artifact_of({}, DType::kFloat32);
  artifact.storages[0].present = false;
  add_tensor(artifact, "absent", DType::kFloat32, {2}, {1});
  const TensorId meta = add_tensor(artifact, "meta", DType::kFloat32, {2}, {1});
  artifact.tensors[meta].layout = Layout::kMeta;
  artifact.tensors[meta].storage.reset();
  const TensorId sparse = add_tensor(artifact, "sparse", DType::kFloat32, {2}, {1});
  artifact.tensors[sparse].layout = Layout::kSparse;
  compute(artifact, kDigest);
  REQUIRE(artifact.gaps.size() == 2);
  CHECK(artifact.gaps[0].what == "values of sparse");
  CHECK(artifact.gaps[1].what == "values of absent");
}

TEST_CASE("all tensors without bytes in the file are one gap") {
  Artifact artifact = artifact_of({}, DType::kFloat32);
  artifact.storages[0].present = false;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    add_tensor(artifact, name, DType::kFloat32, {2}, {1});
  }
  compute(artifact, kDigest);
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "values of 5 tensors");
  CHECK(artifact.gaps[0].why == "the file does not hold their bytes: `a`, `b`, `c` and 2 more");
}

TEST_CASE("a view that repeats a few bytes without end is refused, not walked") {
  const std::uint8_t bytes[4] = {};
  Artifact artifact = artifact_of(ByteView(bytes, 4, 0), DType::kFloat32);
  add_tensor(artifact, "t", DType::kFloat32, {1ll << 40, 1ll << 20}, {0, 0});
  compute(artifact, kMoments);
  CHECK_FALSE(artifact.tensors[0].values.has_value());
  CHECK(artifact.gaps.size() == 1);
}

TEST_CASE("equal views are computed once and have the same facts") {
  const std::uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  Artifact artifact = artifact_of(ByteView(bytes, 8, 0), DType::kUint8);
  add_tensor(artifact, "a", DType::kUint8, {8}, {1});
  add_tensor(artifact, "b", DType::kUint8, {8}, {1});
  add_tensor(artifact, "c", DType::kUint8, {4}, {2});
  compute(artifact, kDigest | kMoments);
  CHECK(artifact.tensors[0].values->digest == artifact.tensors[1].values->digest);
  CHECK(artifact.tensors[1].values->max == 8);
  CHECK(artifact.tensors[2].values->max == 7);
  CHECK(artifact.tensors[0].values->digest != artifact.tensors[2].values->digest);
}

TEST_CASE("equal views that cannot be read have a gap each") {
  const std::uint8_t bytes[8] = {};
  Artifact artifact = artifact_of(ByteView(bytes, 8, 0), DType::kUint8);
  add_tensor(artifact, "a", DType::kUint8, {9}, {1});
  add_tensor(artifact, "b", DType::kUint8, {9}, {1});
  compute(artifact, kDigest);
  REQUIRE(artifact.gaps.size() == 2);
  CHECK(artifact.gaps[0].what == "values of a");
  CHECK(artifact.gaps[1].what == "values of b");
  CHECK(artifact.gaps[0].why == artifact.gaps[1].why);
}

TEST_CASE("the facts do not depend on the number of threads") {
  std::vector<float> numbers(3'000'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<float>(i * 2654435761u % 1000003) / 7.0f - 3e4f;
  }
  const ByteView bytes(reinterpret_cast<const std::uint8_t*>(numbers.data()),
                       numbers.size() * sizeof(float), 0);
  std::vector<ValueFacts> of_whole, of_transposed;
  for (const unsigned threads : {1u, 2u, 7u}) {
    Artifact artifact = artifact_of(bytes, DType::kFloat32);
    add_tensor(artifact, "whole", DType::kFloat32, {3'000'000}, {1});
    add_tensor(artifact, "transposed", DType::kFloat32, {1000, 3000}, {1, 1000});
    ValuePlan plan;
    for (const TensorId id : {0u, 1u}) plan.items.push_back({id, kDigest | kSums | kFingerprint});
    compute_values(artifact, plan, {}, threads);
    of_whole.push_back(artifact.tensors[0].values.value());
    of_transposed.push_back(artifact.tensors[1].values.value());
  }
  for (const std::vector<ValueFacts>* facts : {&of_whole, &of_transposed}) {
    for (const ValueFacts& one : *facts) {
      CHECK(one.digest == facts->front().digest);
      CHECK(one.sum == facts->front().sum);
      CHECK(one.sum_of_squares == facts->front().sum_of_squares);
      CHECK(one.max == facts->front().max);
      CHECK(one.fingerprint->kind == InitFingerprint::kNone);
    }
  }
  CHECK(of_whole[0].digest != of_transposed[0].digest);
}

TEST_CASE("a quantile of the magnitudes is read off the histogram") {
  std::vector<float> numbers(1000, 0.5f);
  std::fill(numbers.begin(), numbers.begin() + 9, -300.0f);
  Artifact artifact = artifact_of(
      ByteView(reinterpret_cast<const std::uint8_t*>(numbers.data()), 4000, 0), DType::kFloat32);
  add_tensor(artifact, "t", DType::kFloat32, {1000}, {1});
  compute(artifact, kHistogram);
  const std::vector<HistogramBucket>& histogram = artifact.tensors[0].values->histogram;
  REQUIRE(histogram.size() == 2);
  CHECK(histogram[0].count == 9);
  CHECK(magnitude_quantile(histogram, 0.99) == 0.5625);  // the next step above 0.5
  CHECK(magnitude_quantile(histogram, 1.0) == 320);
  CHECK(magnitude_quantile({}, 0.5) == 0);
}

TEST_CASE("what was computed before is kept when more is asked") {
  const std::uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  Artifact artifact = artifact_of(ByteView(bytes, 8, 0), DType::kUint8);
  add_tensor(artifact, "a", DType::kUint8, {8}, {1});
  compute(artifact, kDigest);
  compute(artifact, kMoments);
  CHECK(artifact.tensors[0].values->computed == (kDigest | kMoments));
  CHECK(artifact.tensors[0].values->digest.has_value());
}

TEST_CASE("deflated storages are inflated within the limits") {
  const std::string values(4096, '\x01');
  std::string packed(values.size(), '\0');
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(6);
  packed.resize(libdeflate_deflate_compress(compressor, values.data(), values.size(), packed.data(),
                                            packed.size()));
  libdeflate_free_compressor(compressor);
  const ByteView compressed(reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size(), 0);
  Artifact artifact = artifact_of(compressed, DType::kUint8);
  artifact.storages[0].compressed = true;
  artifact.storages[0].member = 0;
  artifact.members.push_back({.name = "data/0", .size = values.size(), .method = 8});
  add_tensor(artifact, "t", DType::kUint8, {4096}, {1});

  SECTION("whole") {
    compute(artifact, kMoments);
    REQUIRE(artifact.tensors[0].values);
    CHECK(artifact.tensors[0].values->all_equal);
    CHECK(artifact.tensors[0].values->max == 1);
  }
  SECTION("over the ratio limit") {
    Limits limits;
    limits.inflate_ratio = 2;
    compute(artifact, kMoments, limits);
    CHECK(artifact.gaps.size() == 1);
  }
  SECTION("a size that is a lie") {
    artifact.members[0].size = 4097;
    compute(artifact, kMoments);
    CHECK(artifact.gaps.size() == 1);
    CHECK(artifact.faults.size() == 1);
  }
}

}  // namespace torchvet
