// Which bytes tensors reach, and which they share.
#include "model/storage_reach.h"
#include "model/tensor_overlap.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

using Numbers = std::vector<std::int64_t>;

/// One block of floats, with as many tensors on it as a test wants; all entries of one state_dict.
struct Heap {
  std::vector<std::uint8_t> bytes;
  Artifact artifact;

  explicit Heap(std::size_t floats) : bytes(floats * 4) {
    add_storage(0, floats);
    artifact.state_dicts.emplace_back();
  }

  StorageId add_storage(std::size_t begin, std::size_t floats) {
    Storage storage;
    storage.declared_bytes = floats * 4;
    storage.present = true;
    storage.bytes = ByteView(bytes.data() + begin * 4, floats * 4, begin * 4);
    artifact.storages.push_back(std::move(storage));
    return static_cast<StorageId>(artifact.storages.size() - 1);
  }

  TensorId add(std::int64_t offset, Numbers shape, Numbers strides, StorageId storage = 0) {
    Tensor tensor;
    tensor.dtype = DType::kFloat32;
    tensor.storage = storage;
    tensor.storage_offset = offset;
    tensor.shape = std::move(shape);
    tensor.strides = std::move(strides);
    artifact.tensors.push_back(std::move(tensor));
    const auto id = static_cast<TensorId>(artifact.tensors.size() - 1);
    artifact.state_dicts[0].entries.push_back({std::to_string(id) + ".weight", id});
    return id;
  }

  void mention(StorageId storage) { artifact.objects.add({Object::StorageRef{storage}, {}}); }

  /// In floats; nothing when the block is not judged.
  std::optional<std::uint64_t> reached() const {
    for (const StorageReach& reach : storage_reach(artifact)) {
      if (reach.storage == 0) return reach.reached / 4;
    }
    return std::nullopt;
  }
};

}  // namespace

TEST_CASE("bytes reached: a slice, views that cover all, and tensors of one place") {
  Heap block(100);
  CHECK_FALSE(block.reached());
  block.add(0, {2, 5}, {5, 1});
  CHECK(block.reached() == 10u);
  block.add(0, {2, 5}, {5, 1});
  CHECK(block.reached() == 10u);
  block.add(5, {10}, {1});
  CHECK(block.reached() == 15u);
  block.add(20, {80}, {1});
  CHECK(block.reached() == 95u);
  block.add(15, {5}, {1});
  CHECK(block.reached() == 100u);
}

TEST_CASE("bytes reached: few columns are few, an expanded tensor is one, an empty one none") {
  Heap columns(100);
  columns.add(0, {10, 3}, {10, 1});
  CHECK(columns.reached() == 30u);
  Heap expanded(100);
  expanded.add(7, {1000, 50}, {0, 0});
  CHECK(expanded.reached() == 1u);
  Heap empty(100);
  empty.add(0, {0, 5}, {5, 1});
  CHECK(empty.reached() == 0u);
}

TEST_CASE("bytes reached: what makes no sense, or is held by others, is never lost") {
  Heap past(100);
  past.add(90, {20}, {1});
  CHECK(past.reached() == 100u);
  Heap huge(100);
  huge.add(0, {INT64_MAX, INT64_MAX}, {INT64_MAX, 1});
  CHECK(huge.reached() == 100u);

  Heap held(100);
  held.add(0, {5}, {1});
  held.mention(0);
  CHECK(held.reached() == 5u);
  held.mention(0);
  CHECK_FALSE(held.reached());

  Heap damaged(100);
  damaged.add(0, {5}, {1});
  damaged.artifact.add_fault("", {});
  CHECK_FALSE(damaged.reached());
}

TEST_CASE("a storage inside another's bytes counts for that one") {
  Heap block(100);
  const StorageId inner = block.add_storage(40, 20);
  block.add(0, {10}, {1});
  block.add(5, {15}, {1}, inner);
  CHECK(storage_places(block.artifact)[inner].root == 0);
  CHECK(storage_places(block.artifact)[inner].begin == 160);
  CHECK(block.reached() == 25u);
  CHECK(storage_reach(block.artifact).size() == 1);
}

TEST_CASE("overlaps: the same, nested and apart are none; cut ones are") {
  Heap block(100);
  block.add(0, {4, 4}, {4, 1});
  block.add(0, {4, 4}, {1, 4});
  block.add(4, {4}, {1});
  block.add(16, {2}, {1});
  block.add(16, {4, 4}, {4, 1});
  CHECK(find_overlaps(block.artifact).between.empty());
  block.add(14, {4}, {1});
  const Overlaps overlaps = find_overlaps(block.artifact);
  REQUIRE(overlaps.between.size() == 1);
  CHECK(overlaps.between[0].shared == 8);
  CHECK(overlaps.between[0].only_first == 56);
  CHECK(overlaps.between[0].only_second == 8);
  CHECK(overlaps.between[0].pairs == 3);
  CHECK(overlaps.within.empty());
}

TEST_CASE("overlaps: columns that interleave are apart, across two storages too") {
  Heap block(100);
  const StorageId inner = block.add_storage(50, 50);
  block.add(0, {10, 4}, {10, 1});
  block.add(4, {10, 6}, {10, 1});
  CHECK(find_overlaps(block.artifact).between.empty());
  block.add(0, {4}, {1}, inner);
  CHECK(find_overlaps(block.artifact).between.empty());
  block.add(3, {3}, {1}, inner);
  CHECK(find_overlaps(block.artifact).between.size() == 1);
}

TEST_CASE("overlaps within a tensor") {
  Heap block(100);
  block.add(0, {5, 1}, {1, 0});
  block.add(10, {3, 4}, {4, 1});
  CHECK(find_overlaps(block.artifact).within.empty());
  block.add(30, {3, 4}, {2, 1});
  block.add(50, {7, 2}, {0, 1});
  const Overlaps overlaps = find_overlaps(block.artifact);
  REQUIRE(overlaps.within.size() == 2);
  CHECK(overlaps.within[0].elements == 12);
  CHECK(overlaps.within[0].places == 8);
  CHECK_FALSE(overlaps.within[0].expanded);
  CHECK(overlaps.within[1].places == 2);
  CHECK(overlaps.within[1].expanded);
}

TEST_CASE("what training does not write to is not compared") {
  Heap block(100);
  block.add(0, {10}, {1});
  block.add(5, {10}, {1});
  CHECK(find_overlaps(block.artifact).between.size() == 1);
  block.artifact.state_dicts[0].entries[1].name = "bins.upper";
  CHECK(find_overlaps(block.artifact).between.empty());
  Module module;
  module.parameters = {{"a", 0}, {"b", 1}};
  block.artifact.modules.push_back(module);
  CHECK(find_overlaps(block.artifact).between.empty());
  for (Tensor& tensor : block.artifact.tensors) tensor.requires_grad = true;
  CHECK(find_overlaps(block.artifact).between.size() == 1);
}

TEST_CASE("a great many tensors on one place end in bounded work") {
  Heap block(5000);
  for (std::int64_t i = 0; i < 6000; ++i) block.add(i % 2500, {2500}, {1});
  const Overlaps overlaps = find_overlaps(block.artifact);
  REQUIRE(overlaps.between.size() == 1);
  CHECK(overlaps.between[0].pairs <= 1u << 23);
}
