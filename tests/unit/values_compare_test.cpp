// Two tensors beside each other: what the four sums are, for each type, layout and bad number.
#include <cmath>
#include <cstring>
#include <limits>
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
  const Changes changes = compare_values(before.artifact, after.artifact, {{0, 0}}, {});
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
