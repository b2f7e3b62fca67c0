// A checkpoint of torch.distributed.checkpoint: a folder with `.metadata`, which says what there is
// and where, and `.distcp` files with the bytes. A tensor lies in chunks, often one a rank.
//
// `.metadata` is the file that is opened; its neighbours become members of the artifact. The keys
// in it give back the object that was saved, with a tensor or an object at each leaf, and from
// there on the checkpoint is read like any other: `model` is a state_dict, `optim` an optimizer.
#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "formats/dcp/coverage.h"
#include "formats/dcp/folder.h"
#include "formats/dcp/items.h"
#include "formats/dcp/metadata.h"
#include "formats/dcp/pieces.h"
#include "formats/nested_files.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"

namespace torchvet {
namespace {

/// Objects besides tensors: each is a pickle of its own.
constexpr std::size_t kMostObjects = 20'000;

std::string text_of(std::span<const std::int64_t> numbers) {
  std::string text = "[";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
  }
  return text + "]";
}

/// The object that was saved, put together again from the keys on the way to each leaf.
class SavedObject {
 public:
  explicit SavedObject(ObjectTree& tree) : tree_(tree) {}

  void put(const std::vector<DcpEntry::Key>& path, ObjectId leaf) {
    std::size_t at = 0;
    for (const DcpEntry::Key& key : path) at = child(at, key);
    nodes_[at].leaf = leaf;
  }

  /// The root, with everything below it added to the tree.
  ObjectId build() {
    // Children were made after their parents, so from the back each finds its own ready.
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      if (nodes_[i].leaf == kNoObject) nodes_[i].leaf = container(nodes_[i]);
    }
    return nodes_[0].leaf;
  }

 private:
  struct Node {
    std::vector<std::pair<DcpEntry::Key, std::size_t>> children;
    std::map<std::string, std::size_t> by_key;
    ObjectId leaf = kNoObject;
  };

  std::size_t child(std::size_t parent, const DcpEntry::Key& key) {
    const auto [at, added] = nodes_[parent].by_key.emplace(key.text, nodes_.size());
    const std::size_t id = at->second;
    if (added) {
      nodes_[parent].children.emplace_back(key, id);
      nodes_.emplace_back();
    }
    return id;
  }

  ObjectId container(const Node& node) {
    const bool list = !node.children.empty() &&
                      std::all_of(node.children.begin(), node.children.end(),
                                  [](const auto& child) { return child.first.in_list; });
    Object object;
    if (list) {
      Object::List items;
      for (const auto& [key, id] : node.children) items.items.push_back(nodes_[id].leaf);
      object.value = std::move(items);
    } else {
      Object::Dict dict;
      for (const auto& [key, id] : node.children) {
        Object name;
        name.value = key.text;
        dict.items.emplace_back(tree_.add(std::move(name)), nodes_[id].leaf);
      }
      object.value = std::move(dict);
    }
    return tree_.add(std::move(object));
  }

  ObjectTree& tree_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
};

class DcpReader {
 public:
  DcpReader(Source& source, const DcpMetadata& metadata, const Limits& limits, Artifact& artifact)
      : source_(source),
        metadata_(metadata),
        limits_(limits),
        artifact_(artifact),
        files_(source, metadata, limits, artifact),
        nested_(source.bytes(), no_zip_, limits, artifact) {}

  void read();

 private:
  ObjectId read_object(const DcpEntry& entry);
  ObjectId read_tensor(const DcpEntry& entry);
  bool add_piece(const DcpEntry& entry, std::size_t chunk, Storage& storage);
  void check_stale_files();

  Source& source_;
  const DcpMetadata& metadata_;
  const Limits& limits_;
  Artifact& artifact_;
  DcpFiles files_;
  const ZipDirectory no_zip_;
  NestedFiles nested_;
  std::size_t objects_ = 0;
};

ObjectId DcpReader::read_object(const DcpEntry& entry) {
  const DcpItem& item = entry.items.front();
  if (!item) {
    artifact_.add_fault(
        "", {ErrorCode::kIndexDisagrees, 0, "storage_data has no place for `" + entry.name + "`"});
    return kNoObject;
  }
  if (++objects_ == kMostObjects) {
    artifact_.add_gap("objects", "there are more than " + std::to_string(kMostObjects) +
                                     " besides tensors; the rest were not read");
  }
  const std::optional<ByteView> bytes = files_.bytes_of(item, entry);
  if (!bytes || objects_ >= kMostObjects) return kNoObject;
  if (item.transformed) {
    artifact_.add_gap(entry.name, "it was transformed when it was saved");
    return kNoObject;
  }
  Member member;
  member.name = metadata_.files[item.file] + " (" + entry.name + ")";
  member.data = bytes->range();
  member.size = bytes->size();
  artifact_.members.push_back(std::move(member));
  return nested_.load(*bytes, static_cast<MemberId>(artifact_.members.size() - 1));
}

/// Adds the bytes of a chunk to the storage of its tensor. False when they cannot be had.
bool DcpReader::add_piece(const DcpEntry& entry, std::size_t index, Storage& storage) {
  const DcpItem& item = entry.items[index];
  const DcpBox chunk = entry.chunks[index];
  if (!item) {
    artifact_.add_fault("", {ErrorCode::kIndexDisagrees, 0,
                             "storage_data has no place for the chunk of `" + entry.name + "` at " +
                                 text_of(chunk.offsets)});
    return false;
  }
  const std::optional<ByteView> bytes = files_.bytes_of(item, entry);
  if (!bytes) return false;
  if (!storage.member) storage.member = files_.member_of(item);
  if (item.transformed) {
    artifact_.add_gap(entry.name, "it was transformed when it was saved");
    return false;
  }
  const std::optional<DcpFiles::Shard> shard = files_.shard(*bytes, item, entry);
  if (!shard) return false;
  if (shard->dtype != entry.dtype || !std::ranges::equal(shard->shape, chunk.sizes)) {
    artifact_.add_contradiction(
        metadata_.files[item.file],
        {ErrorCode::kIndexDisagrees, bytes->offset(),
         "the item of `" + entry.name + "` is " + std::string(name_of(shard->dtype)) + " " +
             text_of(shard->shape) + ", the metadata says " + std::string(name_of(entry.dtype)) +
             " " + text_of(chunk.sizes)});
    return false;
  }
  if (!storage.pieces.empty() && storage.big_endian != shard->big_endian) {
    artifact_.add_gap(entry.name, "its chunks have two byte orders, and are not joined");
    return false;
  }
  storage.big_endian = shard->big_endian;
  storage.location = shard->location;
  storage.pieces.push_back({shard->bytes,
                            {chunk.offsets.begin(), chunk.offsets.end()},
                            {chunk.sizes.begin(), chunk.sizes.end()},
                            shard->strides});
  return true;
}

ObjectId DcpReader::read_tensor(const DcpEntry& entry) {
  Tensor tensor;
  tensor.dtype = entry.dtype;
  tensor.shape = entry.size;
  tensor.strides = row_major_strides(entry.size);
  tensor.requires_grad = entry.requires_grad;
  Storage storage;
  storage.key = entry.name;
  storage.dtype = entry.dtype;
  storage.location = "cpu";
  storage.declared_bytes =
      checked_mul(tensor.element_count().value_or(UINT64_MAX), item_size(entry.dtype))
          .value_or(UINT64_MAX);
  storage.pieces_shape = entry.size;
  bool whole = true;
  storage.pieces.reserve(entry.chunks.size());
  for (std::size_t i = 0; i < entry.chunks.size(); ++i) whole &= add_piece(entry, i, storage);
  if (const auto problem = coverage_problem(entry.size, entry.chunks)) {
    artifact_.add_fault("", {ErrorCode::kChunkCoverage, 0, "`" + entry.name + "`: " + *problem});
    whole = false;
  }
  Object reference;
  reference.value = Object::TensorRef{
      add_tensor_of_pieces(std::move(tensor), std::move(storage), whole, artifact_)};
  return artifact_.objects.add(std::move(reference));
}

/// `.distcp` files that nothing refers to: those of an earlier save with more ranks.
void DcpReader::check_stale_files() {
  std::vector<bool> named(metadata_.files.size());
  for (const DcpEntry& entry : metadata_.entries) {
    for (const DcpItem& item : entry.items) {
      if (item) named[item.file] = true;
    }
  }
  std::set<std::string_view> known;
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (named[i]) known.insert(metadata_.files[i]);
  }
  for (const std::string& file : files_of_dcp(source_)) {
    if (known.contains(file)) continue;
    artifact_.add_contradiction(
        file, {ErrorCode::kIndexStale, 0, "no entry of the metadata lies in this file"});
  }
}

void DcpReader::read() {
  SavedObject saved(artifact_.objects);
  for (const DcpEntry& entry : metadata_.entries) {
    if (artifact_.tensors.size() >= limits_.tensors) {
      artifact_.add_gap("tensors", "there are more than the limit");
      break;
    }
    const ObjectId leaf = entry.is_tensor ? read_tensor(entry) : read_object(entry);
    if (leaf != kNoObject) saved.put(entry.path, leaf);
  }
  files_.finish();
  check_stale_files();
  describe_torch_pickle(artifact_, saved.build(), limits_);
}

}  // namespace

void read_dcp(const std::shared_ptr<Source>& source, const ReadOptions& options,
              Artifact& artifact) {
  const auto metadata = read_dcp_metadata(source->bytes(), artifact, options.limits);
  if (metadata) DcpReader(*source, *metadata, options.limits, artifact).read();
}

}  // namespace torchvet
