// Two tensors beside each other: what the four sums are, for each type, layout and bad number.
#include <libdeflate.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "unit/catch.h"
#include "values/compare.h"

using namespace torchvet;

namespace {

/// An artifact with one strided tensor whose storage holds `bytes`.
struct Held {
  std::string bytes;
  Artifact artifact;

  Held(const Held&) = delete;  // the storage points into `bytes`
  Held(DType dtype, std::vector<std::int64_t> shape, std::vector<std::int64_t> strides,
       std::string content)
      : bytes(std::move(content)) {
    Storage storage;
    storage.bytes = ByteView(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), 0);
    storage.present = true;
    artifact.storages.push_back(storage);
    Tensor tensor;
    tensor.dtype = dtype;
    tensor.shape = std::move(shape);
    tensor.strides = std::move(strides);
    tensor.storage = 0;
    artifact.tensors.push_back(tensor);
  }
};

template <typename T>
std::string packed(const std::vector<T>& numbers) {
  return std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T));
}

template <typename T>
Held row(DType dtype, const std::vector<T>& numbers) {
  return Held(dtype, {static_cast<std::int64_t>(numbers.size())}, {1}, packed(numbers));
}

std::optional<ChangeFacts> change_of(const Held& before, const Held& after) {
  Artifact first = before.artifact, second = after.artifact;
  const Changes changes = compare_values(first, second, {{0, 0}}, {});
  return changes.empty() ? std::nullopt : std::optional(changes.at({0, 0}));
}

std::optional<PairFacts> compared(const Held& before, const Held& after) {
  const std::optional<ChangeFacts> change = change_of(before, after);
  return change ? change->sums : std::nullopt;
}

void check_equal(const PairFacts& facts, double before, double after, double difference,
                 double dot) {
  CHECK(facts.before_squared == before);
  CHECK(facts.after_squared == after);
  CHECK(facts.difference_squared == difference);
  CHECK(facts.dot == dot);
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("the sums of small whole numbers are exact, for any length") {
  for (const std::size_t count : {1u, 15u, 16u, 17u, 2048u, 2049u, 70000u}) {
    std::vector<float> a(count), b(count);
    double before = 0, after = 0, difference = 0, dot = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double x = static_cast<double>(i % 7) - 3, y = static_cast<double>(i % 5) - 2;
      a[i] = static_cast<float>(x);
      b[i] = static_cast<float>(y);
      before += x * x;
      after += y * y;
      difference += (y - x) * (y - x);
      dot += x * y;
    }
    const auto facts = compared(row(DType::kFloat32, a), row(DType::kFloat32, b));
    REQUIRE(facts);
    check_equal(*facts, before, after, difference, dot);
    const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
    const auto wide = compared(row(DType::kFloat64, wide_a), row(DType::kFloat64, wide_b));
    REQUIRE(wide);
    check_equal(*wide, before, after, difference, dot);
  }
}

TEST_CASE("16-bit types are compared as the numbers that they stand for") {
  // 1, -2, 0.5 and 3, three times over and one more.
  const std::vector<std::uint16_t> half = {0x3c00, 0xc000, 0x3800, 0x4200}, zero(17, 0);
  const std::vector<std::uint16_t> brain = {0x3f80, 0xc000, 0x3f00, 0x4040};
  for (const auto& [dtype, four] : {std::pair(DType::kFloat16, half), {DType::kBFloat16, brain}}) {
    std::vector<std::uint16_t> numbers;
    for (std::size_t i = 0; i < 17; ++i) numbers.push_back(four[i % 4]);
    const auto facts = compared(row(dtype, numbers), row(dtype, zero));
    REQUIRE(facts);
    const double squares = 4 * (1 + 4 + 0.25 + 9) + 1;
    check_equal(*facts, squares, 0, squares, 0);
    CHECK(facts->relative_update() == 1.0);
    CHECK(facts->growth() == 0.0);
    CHECK_FALSE(facts->cosine());
  }
}

TEST_CASE("pairs of which one is not finite are left out, wherever they stand") {
  for (const std::size_t at : {std::size_t{0}, std::size_t{15}, std::size_t{16}, std::size_t{40}}) {
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      std::vector<float> a(41, 1.0f), b(41, 2.0f);
      a[at] = bad;
      const auto one = compared(row(DType::kFloat32, a), row(DType::kFloat32, b));
      REQUIRE(one);
      check_equal(*one, 40, 160, 40, 80);
      const auto other = compared(row(DType::kFloat32, b), row(DType::kFloat32, a));
      REQUIRE(other);
      check_equal(*other, 160, 40, 40, 80);
    }
  }
}

TEST_CASE("numbers of the later tensor that are not finite are counted") {
  std::vector<float> before(5000, 1.0f), after(5000, 2.0f);
  for (const std::size_t at : {0u, 2047u, 2048u, 4999u}) after[at] = kNan;
  after[4998] = -kInfinity;
  before[100] = kNan;
  const auto change = change_of(row(DType::kFloat32, before), row(DType::kFloat32, after));
  REQUIRE(change);
  CHECK_FALSE(change->same);
  CHECK(change->not_finite == 5);
  check_equal(change->sums.value(), 4994, 4 * 4994, 4994, 2 * 4994);

  const std::vector<std::uint16_t> half = {0x7c00, 0xfc01, 0x7bff},
                                   brain = {0x7f80, 0xffc0, 0x7f7f};
  CHECK(change_of(row(DType::kFloat16, half), row(DType::kFloat16, half))->not_finite == 2);
  CHECK(change_of(row(DType::kBFloat16, brain), row(DType::kBFloat16, brain))->not_finite == 2);
  const Held pair = row(DType::kComplex64, std::vector<std::array<float, 2>>{{1, kNan}, {0, 2}});
  const auto complex = change_of(pair, pair);
  CHECK(complex->same);
  CHECK(complex->not_finite == 1);
  CHECK_FALSE(complex->sums);
}

TEST_CASE("large float64 numbers whose squares overflow are finite") {
  const Held large = row(DType::kFloat64, std::vector<double>(20, 1e300));
  const auto change = change_of(large, large);
  CHECK(change->same);
  CHECK(change->not_finite == 0);
  CHECK(std::isinf(change->sums->before_squared));
}

TEST_CASE("a tensor is the same when every bit is, whatever the numbers say") {
  const auto same = [](const Held& before, const Held& after) {
    return change_of(before, after).value().same;
  };
  for (const std::size_t at : {0u, 16u, 40u, 2100u, 69999u}) {
    std::vector<float> a(70000, 0.5f), b = a;
    CHECK(same(row(DType::kFloat32, a), row(DType::kFloat32, b)));
    a[at] = 0.0f;
    b[at] = -0.0f;
    CHECK_FALSE(same(row(DType::kFloat32, a), row(DType::kFloat32, b)));
    a[at] = b[at] = kNan;
    CHECK(same(row(DType::kFloat32, a), row(DType::kFloat32, b)));
    b[at] = -kNan;
    CHECK_FALSE(same(row(DType::kFloat32, a), row(DType::kFloat32, b)));
    std::vector<double> wide_a(70000, 1e-200), wide_b = wide_a;
    wide_b[at] = std::nextafter(1e-200, 1.0);
    CHECK_FALSE(same(row(DType::kFloat64, wide_a), row(DType::kFloat64, wide_b)));
    std::vector<std::int64_t> whole_a(70000, 5), whole_b = whole_a;
    CHECK(same(row(DType::kInt64, whole_a), row(DType::kInt64, whole_b)));
    whole_b[at] = 6;
    CHECK_FALSE(same(row(DType::kInt64, whole_a), row(DType::kInt64, whole_b)));
  }
}

TEST_CASE("the facts depend neither on the number of threads nor on what else is compared") {
  constexpr std::int64_t kCount = 3'000'000;
  std::vector<float> a(kCount), b(kCount);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i * 2654435761u % 1000003) / 7.0f - 3e4f;
    b[i] = a[i] + static_cast<float>(i % 13) / 5.0f;
  }
  Held before = row(DType::kFloat32, a), after = row(DType::kFloat32, b);
  for (Held* held : {&before, &after}) {
    Tensor transposed = held->artifact.tensors[0];
    transposed.shape = {1000, 3000};
    transposed.strides = {1, 1000};
    Tensor whole = held->artifact.tensors[0];  // another tensor, the same view
    held->artifact.tensors.push_back(transposed);
    held->artifact.tensors.push_back(whole);
  }
  const PairFacts alone = compared(before, after).value();
  for (const unsigned threads : {1u, 2u, 7u}) {
    const Changes all =
        compare_values(before.artifact, after.artifact,
                       {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 9}, {9, 0}}, {}, threads);
    REQUIRE(all.size() == 3);  // the shapes of 1 and 2 differ, and there is no 9
    const PairFacts& transposed = all.at({1, 1}).sums.value();
    for (const TensorId id : {0u, 2u}) {
      const PairFacts& sums = all.at({id, id}).sums.value();
      check_equal(sums, alone.before_squared, alone.after_squared, alone.difference_squared,
                  alone.dot);
    }
    CHECK(transposed.dot != alone.dot);  // other roundings
    CHECK(std::abs(transposed.dot / alone.dot - 1) < 1e-12);
  }
}

TEST_CASE("a view that repeats a few bytes without end is not walked") {
  const Held endless(DType::kFloat32, {1ll << 40, 1ll << 10}, {0, 0}, packed<float>({1}));
  CHECK_FALSE(change_of(endless, endless));
  const Held beyond(DType::kFloat32, {1ll << 62, 1ll << 62}, {0, 0}, packed<float>({1}));
  CHECK_FALSE(change_of(beyond, beyond));
}

TEST_CASE("a deflated storage is compared with one that is not") {
  const std::vector<float> numbers = {1, 2, 3, 4, 5, 6};
  const Held plain = row(DType::kFloat32, numbers);
  std::string deflated(1024, '\0');
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(6), libdeflate_free_compressor);
  deflated.resize(libdeflate_deflate_compress(
      compressor.get(), plain.bytes.data(), plain.bytes.size(), deflated.data(), deflated.size()));
  Held packed_one(DType::kFloat32, {6}, {1}, deflated);
  Storage& storage = packed_one.artifact.storages[0];
  storage.compressed = true;
  storage.member = 0;
  packed_one.artifact.members.push_back({.name = "data/0", .size = plain.bytes.size(), .method = 8});
  using Two = std::pair<const Held*, const Held*>;
  for (const auto& [before, after] :
       {Two(&plain, &packed_one), Two(&packed_one, &plain), Two(&packed_one, &packed_one)}) {
    const auto change = change_of(*before, *after);
    REQUIRE(change);
    CHECK(change->same);
    check_equal(change->sums.value(), 91, 91, 0, 91);
  }
}

TEST_CASE("a transposed view is compared in its logical order") {
  const Held view(DType::kFloat32, {2, 3}, {1, 2}, packed<float>({1, 4, 2, 5, 3, 6}));
  const Held copy(DType::kFloat32, {2, 3}, {3, 1}, packed<float>({1, 2, 3, 4, 5, 6}));
  const auto facts = compared(view, copy);
  REQUIRE(facts);
  check_equal(*facts, 91, 91, 0, 91);
  CHECK(facts->cosine() == 1.0);
}

TEST_CASE("what cannot be compared gives nothing") {
  const std::vector<float> four = {1, 2, 3, 4};
  const Held good = row(DType::kFloat32, four);
  CHECK(compared(good, good));
  CHECK_FALSE(compared(good, row(DType::kFloat32, std::vector<float>{1, 2, 3})));
  CHECK_FALSE(compared(good, Held(DType::kFloat32, {2, 2}, {2, 1}, packed(four))));
  CHECK_FALSE(compared(good, Held(DType::kFloat64, {4}, {1}, packed<double>({1, 2, 3, 4}))));
  CHECK_FALSE(compared(row(DType::kInt32, std::vector<std::int32_t>{1}),
                       row(DType::kInt32, std::vector<std::int32_t>{1})));
  const Held short_one(DType::kFloat32, {4}, {1}, packed<float>({1, 2, 3}));
  CHECK_FALSE(compared(good, short_one));
  Held compressed = row(DType::kFloat32, four);
  compressed.artifact.storages[0].compressed = true;
  CHECK_FALSE(compared(good, compressed));
  Held absent = row(DType::kFloat32, four);
  absent.artifact.storages[0].present = false;
  CHECK_FALSE(compared(absent, good));
  CHECK_FALSE(compared(row(DType::kFloat32, std::vector<float>{}),
                       row(DType::kFloat32, std::vector<float>{})));
}

TEST_CASE("the relative update of what was zero is not told") {
  CHECK_FALSE(PairFacts{0, 4, 4, 0}.relative_update());
  CHECK_FALSE(PairFacts{0, 4, 4, 0}.growth());
  CHECK(PairFacts{4, 9, 1, 6}.relative_update() == 0.5);
  CHECK(PairFacts{4, 9, 1, 6}.growth() == 1.5);
  CHECK(PairFacts{4, 9, 1, 6}.cosine() == 1.0);
}
