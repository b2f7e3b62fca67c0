// Where the indices of sparse and nested tensors lead.
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "unit/catch.h"
#include "values/values.h"

namespace torchvet {
namespace {

using Numbers = std::vector<std::int64_t>;

/// A file of tensors, each with a storage of its own.
class Builder {
 public:
  Builder& part(const std::string& name, const Numbers& shape, const Numbers& numbers,
                DType dtype = DType::kInt64) {
    bytes_.emplace_back(numbers.size() * item_size(dtype), '\0');
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      std::memcpy(bytes_.back().data() + i * item_size(dtype), &numbers[i], item_size(dtype));
    }
    parts_.push_back({name, shape, dtype});
    return *this;
  }

  /// What is said of the whole tensor of this shape, which comes after its parts.
  std::string problem(Layout layout, const Numbers& shape, bool absent = false) {
    Artifact artifact;
    Tensor whole;
    whole.layout = layout;
    whole.shape = shape;
    whole.object_path = "t";
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      Storage storage;
      storage.dtype = parts_[i].dtype;
      storage.present = !absent;
      storage.declared_bytes = bytes_[i].size();
      if (!absent) {
        storage.bytes = ByteView(reinterpret_cast<const std::uint8_t*>(bytes_[i].data()),
                                 bytes_[i].size(), 0);
      }
      artifact.storages.push_back(storage);
      Tensor tensor;
      tensor.storage = static_cast<StorageId>(i);
      tensor.dtype = parts_[i].dtype;
      tensor.shape = parts_[i].shape;
      tensor.strides.assign(tensor.shape.size(), 1);
      for (std::size_t d = tensor.shape.size(); d-- > 1;) {
        tensor.strides[d - 1] = tensor.strides[d] * tensor.shape[d];
      }
      artifact.tensors.push_back(tensor);
      Object object;
      object.value = Object::TensorRef{static_cast<TensorId>(i)};
      whole.parts.emplace_back(parts_[i].name, artifact.objects.add(std::move(object)));
    }
    artifact.tensors.push_back(whole);
    const auto id = static_cast<TensorId>(artifact.tensors.size() - 1);
    compute_values(artifact, {{{id, kIndices}}}, Limits());
    if (!artifact.gaps.empty()) return "gap: " + artifact.gaps.front().why;
    REQUIRE(artifact.tensors[id].values);
    CHECK(artifact.tensors[id].values->computed == kIndices);
    return artifact.tensors[id].values->index_problem;
  }

 private:
  struct Part {
    std::string name;
    Numbers shape;
    DType dtype;
  };
  std::vector<Part> parts_;
  std::vector<std::string> bytes_;
};

std::string coo(const Numbers& shape, const Numbers& indices_shape, const Numbers& indices) {
  return Builder().part(".indices", indices_shape, indices).problem(Layout::kSparse, shape);
}

std::string csr(const Numbers& shape, const Numbers& begins, const Numbers& columns,
                const Numbers& values_shape, DType dtype = DType::kInt64) {
  const auto size = [](const Numbers& n) { return static_cast<std::int64_t>(n.size()); };
  return Builder()
      .part(".crow_indices", {size(begins)}, begins, dtype)
      .part(".col_indices", {size(columns)}, columns, dtype)
      .part(".values", values_shape, {}, DType::kFloat32)
      .problem(Layout::kSparse, shape);
}

std::string nested(const Numbers& sizes, const Numbers& strides, const Numbers& offsets) {
  const auto count = static_cast<std::int64_t>(offsets.size());
  const std::int64_t dimensions = static_cast<std::int64_t>(sizes.size()) / count;
  return Builder()
      .part(".buffer", {5}, {0, 0, 0, 0, 0}, DType::kInt32)
      .part(".sizes", {count, dimensions}, sizes)
      .part(".strides", {count, dimensions}, strides)
      .part(".storage_offsets", {count}, offsets)
      .problem(Layout::kNested, {count});
}

}  // namespace

TEST_CASE("coordinates lie in the shape, each in its dimension") {
  CHECK(coo({4, 2}, {2, 2}, {0, 3, 1, 0}).empty());
  CHECK(coo({4, 2, 7}, {2, 2}, {0, 3, 1, 0}).empty());
  CHECK(coo({4, 2}, {2, 0}, {}).empty());
  CHECK(coo({}, {0, 1}, {}).empty());
  CHECK(coo({4, 2}, {2, 2}, {0, 4, 1, 0}) == "index 4 in dimension 0, which has the size 4");
  CHECK(coo({4, 2}, {2, 2}, {0, 3, 1, 2}) == "index 2 in dimension 1, which has the size 2");
  CHECK(coo({4, 2}, {2, 1}, {0, -1}) == "index -1 in dimension 1, which has the size 2");
  CHECK(coo({4}, {2, 1}, {0, 0}) == "its indices have the shape [2, 1], for one of [4]");
  CHECK(coo({4}, {1}, {0}) == "its indices have the shape [1], for one of [4]");
}

TEST_CASE("lines begin one after the other, and end with the elements") {
  CHECK(csr({3, 4}, {0, 1, 2, 3}, {0, 1, 3}, {3}).empty());
  CHECK(csr({3, 4}, {0, 1, 2, 3}, {0, 1, 3}, {3}, DType::kInt32).empty());
  CHECK(csr({2, 6}, {0, 1}, {2}, {1, 2, 2}).empty());  // blocks of 2 by 2
  CHECK(csr({3, 4}, {0, 1, 2, 3}, {0, 4, 3}, {3}) == "index 4 in a line of 4");
  CHECK(csr({2, 6}, {0, 1}, {3}, {1, 2, 2}) == "index 3 in a line of 3");
  CHECK(csr({3, 4}, {1, 1, 2, 3}, {0, 1, 3}, {3}) ==
        "line 0 begins at element 1 and the one before it at 0, of 3 in lines of 4");
  CHECK_FALSE(csr({3, 4}, {0, 2, 1, 3}, {0, 1, 3}, {3}).empty());
  CHECK_FALSE(csr({3, 4}, {0, 1, 2, 2}, {0, 1, 3}, {3}).empty());
  CHECK_FALSE(csr({3, 1}, {0, 3, 3, 3}, {0, 0, 0}, {3}).empty());
  CHECK(csr({3, 4}, {0, 1, 3}, {0, 1, 3}, {3}) == "3 begins of lines, of which there are 3");
  CHECK(csr({3}, {0, 1}, {0}, {1}) == "its indices have the wrong number of dimensions");
  CHECK(csr({2, 2}, {0, 1}, {0}, {1, 0, 2}) == "its blocks are empty");
}

TEST_CASE("the tensors of a nested one lie in its buffer") {
  CHECK(nested({3, 2}, {1, 1}, {0, 3}).empty());
  CHECK(nested({3, 0}, {1, 1}, {0, 99}).empty());  // it has no element that could lie outside
  CHECK(nested({1, 2, 2, 1}, {2, 1, 1, 1}, {0, 3}).empty());
  CHECK(nested({3, 2}, {1, 1}, {0, 4}) ==
        "tensor 1 of it begins at 4 and does not end inside a storage of 5");
  CHECK_FALSE(nested({3, 2}, {3, 1}, {0, 3}).empty());
  CHECK_FALSE(nested({3, 2}, {1, 1}, {0, -1}).empty());
  CHECK_FALSE(nested({-3, 2}, {1, 1}, {0, 3}).empty());
  CHECK_FALSE(nested({INT64_MAX, 2}, {INT64_MAX, 1}, {0, 3}).empty());
  CHECK_FALSE(nested({2, 2}, {INT64_MAX, 1}, {INT64_MAX, 3}).empty());
}

TEST_CASE("indices that cannot be read are a gap") {
  CHECK(Builder().part(".indices", {1, 2}, {0, 1}).problem(Layout::kSparse, {4}, true) ==
        "gap: the file does not hold its bytes");
  CHECK(Builder().part(".indices", {1, 2}, {0, 1}, DType::kFloat32).problem(Layout::kSparse, {4}) ==
        "gap: its indices are no integers");
  CHECK(Builder().part(".values", {2}, {0, 1}).problem(Layout::kSparse, {4}) ==
        "gap: a part of it is no tensor");
  CHECK(Builder().part(".indices", {1, 3}, {0, 1}).problem(Layout::kSparse, {4}) ==
        "gap: it reaches 24 bytes into a storage of 16");
}

}  // namespace torchvet
