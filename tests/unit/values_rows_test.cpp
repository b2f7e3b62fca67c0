// Dead and repeated rows.
#include <cstring>
#include <string>
#include <vector>

#include "unit/catch.h"
#include "values/rows.h"
#include "values/values.h"

namespace torchvet {
namespace {

/// The facts of one tensor over all of `bytes`.
ValueFacts facts_of(const std::vector<std::uint8_t>& bytes, DType dtype,
                    std::vector<std::int64_t> shape, std::vector<std::int64_t> strides,
                    Quantities quantities = kRows) {
  Artifact artifact;
  artifact.storages.push_back({.key = "0",
                               .dtype = dtype,
                               .declared_bytes = bytes.size(),
                               .present = true,
                               .bytes = ByteView(bytes.data(), bytes.size(), 0)});
  Tensor tensor;
  tensor.object_path = "t";
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.strides = std::move(strides);
  tensor.storage = 0;
  artifact.tensors.push_back(std::move(tensor));
  compute_values(artifact, {.items = {{0, quantities}}}, {});
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.tensors[0].values);
  return *artifact.tensors[0].values;
}

template <typename T>
std::vector<std::uint8_t> bytes_of(const std::vector<T>& numbers) {
  std::vector<std::uint8_t> bytes(numbers.size() * sizeof(T));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

}  // namespace

TEST_CASE("zero rows of either sign are dead, equal rows are counted once") {
  const ValueFacts facts =
      facts_of(bytes_of<float>({1, 2, 3, 0, -0.0f, 0, 1, 2, 3, -0.0f, 0, 0, 1, 2, 4, 0, 0, 1e-45f}),
               DType::kFloat32, {6, 3}, {3, 1});
  CHECK(facts.computed == kRows);
  CHECK(facts.rows == 6);
  CHECK(facts.zero_rows == 2);
  CHECK(facts.distinct_rows == 4);
  CHECK_FALSE(facts.all_rows_equal);
}

TEST_CASE("rows are logical ones, whatever the strides") {
  const std::vector<std::uint8_t> bytes = bytes_of<float>({1, 5, 0, 2, 6, 0, 1, 5, 0});
  const ValueFacts columns = facts_of(bytes, DType::kFloat32, {3, 3}, {1, 3});
  CHECK(columns.zero_rows == 1);
  CHECK(columns.distinct_rows == 3);
  const ValueFacts plain = facts_of(bytes, DType::kFloat32, {3, 3}, {3, 1});
  CHECK(plain.zero_rows == 0);
  CHECK(plain.distinct_rows == 2);
  const ValueFacts expanded = facts_of(bytes, DType::kFloat32, {40, 3}, {0, 1});
  CHECK(expanded.rows == 40);
  CHECK(expanded.distinct_rows == 1);
  CHECK(expanded.all_rows_equal);
}

TEST_CASE("a row may be larger than a block and end inside one") {
  constexpr std::uint64_t kRow = 50'000;
  std::vector<float> numbers(5 * kRow, 0.0f);
  for (std::uint64_t i = 0; i < kRow; ++i) {
    numbers[i] = numbers[2 * kRow + i] = numbers[4 * kRow + i] = static_cast<float>(i);
  }
  numbers[5 * kRow - 1] = -1;  // the last row differs in its last element only
  const ValueFacts facts = facts_of(bytes_of(numbers), DType::kFloat32, {5, kRow}, {kRow, 1});
  CHECK(facts.rows == 5);
  CHECK(facts.zero_rows == 2);
  CHECK(facts.distinct_rows == 3);
}

TEST_CASE("what a zero is depends on the type") {
  const std::vector<std::uint8_t> codes = {0x00, 0x00, 0x80, 0x80};
  const auto zero_rows = [&](DType dtype) {
    return facts_of(codes, dtype, {2, 2}, {2, 1}).zero_rows;
  };
  CHECK(zero_rows(DType::kFloat8E4m3fn) == 2);
  CHECK(zero_rows(DType::kFloat8E5m2) == 2);
  CHECK(zero_rows(DType::kFloat8E4m3fnuz) == 1);  // 0x80 is NaN
  CHECK(zero_rows(DType::kFloat8E5m2fnuz) == 1);
  CHECK(zero_rows(DType::kFloat8E8m0fnu) == 0);  // it has no zero
  CHECK(zero_rows(DType::kInt8) == 1);
  CHECK(zero_rows(DType::kBool) == 1);
  CHECK(facts_of(codes, DType::kBFloat16, {2, 1}, {1, 1}).zero_rows == 1);
}

TEST_CASE("tensors without rows have no such facts") {
  const std::vector<std::uint8_t> bytes(16, 0);
  CHECK(facts_of(bytes, DType::kFloat32, {4}, {1}).computed == 0);
  CHECK(facts_of(bytes, DType::kFloat32, {}, {}).computed == 0);
  CHECK(facts_of(bytes, DType::kFloat32, {3, 0}, {1, 1}).computed == 0);
  CHECK(facts_of(bytes, DType::kComplex64, {1, 2}, {2, 1}).computed == 0);
}

TEST_CASE("of very many rows only whether they are equal is told") {
  const std::int64_t rows = static_cast<std::int64_t>(kMaxDistinctRows) + 1;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rows), 7);
  ValueFacts facts = facts_of(bytes, DType::kUint8, {rows, 1}, {1, 1});
  CHECK(facts.rows == kMaxDistinctRows + 1);
  CHECK_FALSE(facts.distinct_rows.has_value());
  CHECK(facts.all_rows_equal);
  bytes.back() = 0;
  facts = facts_of(bytes, DType::kUint8, {rows, 1}, {1, 1});
  CHECK_FALSE(facts.all_rows_equal);
  CHECK(facts.zero_rows == 1);
  facts = facts_of(bytes, DType::kUint8, {rows - 1, 1}, {1, 1});
  CHECK(facts.distinct_rows == 1);
}

}  // namespace torchvet
