// Deflated storages: the facts are those of the stored twin, whatever the views, and what is wrong
// with the stream is told.
#include <libdeflate.h>

#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "unit/catch.h"
#include "values/compare.h"
#include "values/reading_order.h"
#include "values/values.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kOffset = 4096;  // where the storage lies in its file
constexpr std::int64_t kNumbers = 300'000;
constexpr Quantities kAll = kDigest | kMoments | kSums | kHistogram | kRows | kFingerprint;

/// More than a MiB of float32: several windows and pieces, none of which ends with another.
const std::string& plain_bytes() {
  static const std::string kBytes = [] {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> numbers(kNumbers);
    for (float& number : numbers) number = normal(random);
    return std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size() * 4);
  }();
  return kBytes;
}

const std::string& packed_bytes() {
  static const std::string kPacked = [] {
    const std::string& bytes = plain_bytes();
    libdeflate_compressor* compressor = libdeflate_alloc_compressor(1);
    std::string packed(libdeflate_deflate_compress_bound(compressor, bytes.size()), '\0');
    packed.resize(libdeflate_deflate_compress(compressor, bytes.data(), bytes.size(), packed.data(),
                                              packed.size()));
    libdeflate_free_compressor(compressor);
    return packed;
  }();
  return kPacked;
}

struct View {
  std::vector<std::int64_t> shape, strides;
  std::int64_t offset = 0;
  bool negative = false;
};

Artifact artifact_of(const std::string& content, bool deflated, const std::vector<View>& views) {
  Artifact artifact;
  Storage storage;
  storage.dtype = DType::kFloat32;
  storage.present = true;
  storage.bytes =
      ByteView(reinterpret_cast<const std::uint8_t*>(content.data()), content.size(), kOffset);
  storage.compressed = deflated;
  storage.member = 0;
  artifact.storages.push_back(storage);
  artifact.members.push_back({.name = "data/0", .size = plain_bytes().size(), .method = 8});
  for (const View& view : views) {
    Tensor tensor;
    tensor.object_path = "t" + std::to_string(artifact.tensors.size());
    tensor.dtype = DType::kFloat32;
    tensor.shape = view.shape;
    tensor.strides = view.strides;
    tensor.storage_offset = view.offset;
    tensor.negative = view.negative;
    tensor.storage = 0;
    artifact.tensors.push_back(std::move(tensor));
  }
  return artifact;
}

void compute(Artifact& artifact, unsigned threads = 0, const Limits& limits = {}) {
  ValuePlan plan;
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) plan.items.push_back({id, kAll});
  compute_values(artifact, plan, limits, threads);
}

/// Every bit of what was found.
auto bits_of(const ValueFacts& facts) {
  std::vector<std::uint64_t> bits = {
      facts.computed, facts.count,    facts.numbers, facts.nan,       facts.positive_infinity,
      facts.zero,     facts.subnormal, facts.rows,   facts.zero_rows, facts.distinct_rows.value_or(9),
      facts.all_equal, facts.all_rows_equal};
  for (const double number : {facts.min, facts.max, facts.first, facts.sum, facts.sum_of_squares}) {
    std::uint64_t same = 0;
    std::memcpy(&same, &number, sizeof(same));
    bits.push_back(same);
  }
  for (const HistogramBucket& bucket : facts.histogram) bits.push_back(bucket.count);
  if (facts.digest) bits.insert(bits.end(), {facts.digest->low, facts.digest->high});
  if (facts.fingerprint) {
    bits.insert(bits.end(), {static_cast<std::uint64_t>(facts.fingerprint->kind),
                             facts.fingerprint->matched, facts.fingerprint->tested});
  }
  return bits;
}

void check_twins(const std::vector<View>& views) {
  Artifact stored = artifact_of(plain_bytes(), false, views);
  compute(stored);
  REQUIRE(stored.gaps.empty());
  for (const unsigned threads : {1u, 3u}) {
    Artifact deflated = artifact_of(packed_bytes(), true, views);
    compute(deflated, threads);
    CHECK(deflated.gaps.empty());
    CHECK(deflated.faults.empty());
    for (std::size_t i = 0; i < views.size(); ++i) {
      INFO("view " << i);
      REQUIRE(deflated.tensors[i].values);
      CHECK(bits_of(*deflated.tensors[i].values) == bits_of(*stored.tensors[i].values));
    }
  }
}

/// How often the storage is inflated from its begin when all of these views are streamed.
std::size_t passes(const std::vector<View>& views) {
  const Artifact artifact = artifact_of(packed_bytes(), true, views);
  std::vector<TensorId> ids;
  for (TensorId id = 0; id < views.size(); ++id) ids.push_back(id);
  std::size_t count = 1;
  std::uint64_t end = 0;
  for (const std::size_t position : reading_order(artifact, ids)) {
    const Tensor& tensor = artifact.tensors[position];
    if (static_cast<std::uint64_t>(tensor.storage_offset) < end) ++count;
    end = *tensor.elements_reached();
  }
  return count;
}

View part(std::int64_t begin, std::int64_t end) { return {{end - begin}, {1}, begin}; }

}  // namespace

TEST_CASE("a deflated storage gives the facts of its stored twin") {
  SECTION("as a whole") { check_twins({{{500, 600}, {600, 1}}}); }
  SECTION("several tensors behind each other, not in their order") {
    check_twins({part(200'000, 300'000), part(0, 70'001), part(70'001, 199'999)});
  }
  SECTION("steps, columns, negated") {
    check_twins({{{100'000}, {3}, 1},
                 {{500, 7}, {600, 1}, 13},
                 {{500, 1}, {600, 1}, 599},
                 {{1000, 300}, {300, 1}, 0, true}});
  }
  SECTION("tensors that lie over each other") {
    check_twins({part(0, 300'000), part(10, 250'000), part(5, 11), part(249'999, 250'001),
                 part(100'000, 100'000)});
  }
  SECTION("transposed, expanded, overlapping themselves, beside others") {
    check_twins({part(0, 300'000),
                 {{600, 500}, {1, 600}},
                 {{400, 50}, {0, 0}, 7},
                 {{9, 40}, {5, 1}, 4},
                 part(1000, 2000)});
  }
}

TEST_CASE("tensors of one deflated storage are read in as few passes as they overlap") {
  CHECK(passes({part(20, 30), part(0, 10), part(10, 20)}) == 1);
  CHECK(passes({part(0, 300), part(0, 10), part(10, 20), part(20, 300)}) == 2);
  std::vector<View> stairs;  // each shares half of its elements with the next one
  for (std::int64_t i = 0; i < 100; ++i) stairs.push_back(part(i * 10, i * 10 + 20));
  CHECK(passes(stairs) == 2);
}

TEST_CASE("what is not streamed comes first, and the others find it held") {
  const Artifact artifact =
      artifact_of(packed_bytes(), true, {part(0, 10), {{600, 500}, {1, 600}}, part(10, 20)});
  const std::vector<TensorId> ids = {0, 1, 2};
  CHECK(reading_order(artifact, ids) == std::vector<std::size_t>{1, 0, 2});
}

TEST_CASE("a deflated storage that is broken is told of as its member, and by its tensors") {
  std::string content = packed_bytes();
  std::uint64_t size = plain_bytes().size();
  const std::vector<View> views = {part(0, 1000), part(200'000, 300'000), part(200'000, 300'000)};
  std::size_t read = 1;  // tensors, before it shows
  std::string words;
  SECTION("it is cut off") {
    content.resize(content.size() / 2);
    words = "the deflated bytes end at byte " + std::to_string(kOffset + content.size());
  }
  SECTION("the promised size is too large") {
    size += 4;
    read = 3;
    words = "the deflated stream ends at byte " + std::to_string(kOffset + content.size());
  }
  SECTION("something follows") {
    content += "more";
    read = 3;
    words = "4 bytes follow the deflated stream at byte ";
  }
  SECTION("the promised size is too small") {
    size -= 400;
    words = "goes on at byte ";  // and two tensors reach too far
  }
  Artifact artifact = artifact_of(content, true, views);
  artifact.members[0].size = size;
  compute(artifact);
  for (std::size_t i = 0; i < views.size(); ++i) {
    CHECK(artifact.tensors[i].values.has_value() == (i < read));
  }
  REQUIRE(artifact.faults.size() == 1);
  const Fault& fault = artifact.faults[0];
  CHECK(fault.member == "data/0");
  CHECK(fault.error.code == ErrorCode::kZipBadDeflate);
  CHECK(fault.error.offset > kOffset);
  CHECK(fault.error.detail.find(words) != std::string::npos);
  CHECK(artifact.gaps.size() == 1 + views.size() - read);
  compute(artifact);  // asked again, it is not told of twice
  CHECK(artifact.faults.size() == 1);
}

TEST_CASE("only what must be held is bounded by what may be held") {
  Limits limits;
  limits.inflated_bytes = plain_bytes().size() - 1;
  Artifact artifact = artifact_of(packed_bytes(), true, {part(0, 300'000), {{600, 500}, {1, 600}}});
  compute(artifact, 0, limits);
  CHECK(artifact.tensors[0].values.has_value());
  CHECK_FALSE(artifact.tensors[1].values.has_value());
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "values of t1");
  CHECK(artifact.gaps[0].why.find("at byte 4096") != std::string::npos);
  CHECK(artifact.faults.empty());
}

TEST_CASE("a method of compression that is not deflate is named") {
  Artifact artifact = artifact_of(packed_bytes(), true, {part(0, 10)});
  artifact.members[0].method = 12;
  compute(artifact);
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].why == "it is compressed by method 12, not deflated");
}

TEST_CASE("pairs of deflated storages are compared as their twins are") {
  const std::vector<View> views = {part(0, 150'000),
                                   part(150'000, 300'000),
                                   {{600, 500}, {1, 600}},
                                   {{500, 7}, {600, 1}, 13}};
  std::vector<View> others = views;
  others[0] = part(150'000, 300'000);
  const std::vector<TensorPair> pairs = {{0, 0}, {1, 1}, {2, 2}, {3, 3}};
  Artifact stored = artifact_of(plain_bytes(), false, views);
  Artifact stored_other = artifact_of(plain_bytes(), false, others);
  Artifact deflated = artifact_of(packed_bytes(), true, views);
  Artifact other = artifact_of(packed_bytes(), true, others);
  const Changes expected = compare_values(stored_other, stored, pairs, {});
  REQUIRE(expected.size() == 4);
  CHECK_FALSE(expected.at({0, 0}).same);
  for (const unsigned threads : {1u, 3u}) {
    const Changes changes = compare_values(other, deflated, pairs, {}, threads);
    REQUIRE(changes.size() == 4);
    for (const auto& [pair, change] : expected) {
      CHECK(changes.at(pair).same == change.same);
      CHECK(changes.at(pair).sums->dot == change.sums->dot);
      CHECK(changes.at(pair).sums->difference_squared == change.sums->difference_squared);
    }
  }
  const std::string cut = packed_bytes().substr(0, packed_bytes().size() * 3 / 4);
  Artifact broken = artifact_of(cut, true, views);
  const Changes partly = compare_values(broken, stored, pairs, {});
  CHECK(partly.count({0, 0}) == 1);
  CHECK(partly.count({1, 1}) == 0);
}

TEST_CASE("a stream that breaks behind the last tensor that was compared is a fault of its checkpoint") {
  const std::string cut = packed_bytes().substr(0, packed_bytes().size() * 3 / 4);
  for (const bool is_first : {true, false}) {
    Artifact sound = artifact_of(packed_bytes(), true, {part(0, 10)});
    Artifact broken = artifact_of(cut, true, {part(0, 10)});
    Artifact& before = is_first ? broken : sound;
    Artifact& after = is_first ? sound : broken;
    const Changes changes = compare_values(before, after, {{0, 0}}, {});
    CHECK(changes.size() == 1);  // what was compared is known
    CHECK(sound.faults.empty());
    CHECK(sound.gaps.empty());
    REQUIRE(broken.faults.size() == 1);
    CHECK(broken.faults[0].error.code == ErrorCode::kZipBadDeflate);
    CHECK(broken.gaps.size() == 1);
    (void)compare_values(before, after, {{0, 0}}, {});
    CHECK(broken.faults.size() == 1);  // known already
  }
}

}  // namespace torchvet
